//! Looking for a text without regard to case.

/// A text to look for.
pub struct TextQuery(String);

impl TextQuery {
    /// `None`: a blank text is in everything.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_lowercase()))
    }

    /// Whether it is somewhere in a text.
    pub fn is_in(&self, text: &str) -> bool {
        text.to_lowercase().contains(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_matter_in_any_script() {
        let is_in = |wanted, text| TextQuery::new(wanted).is_none_or(|wanted| wanted.is_in(text));
        assert!(is_in(" MÜLLER ", "Anna Müller"));
        assert!(is_in("ολγα", "Όλγα ΟΛΓΑ"));
        assert!(!is_in("Muller", "Anna Müller"));
        assert!(is_in(" ", ""), "a blank search found nothing");
    }
}
