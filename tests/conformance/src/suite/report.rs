//! What a run of a suite found.

use std::fmt;

/// What a run of a suite found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many cases ran.
    pub cases: usize,
    /// Those that failed, in the order of the suite.
    pub failures: Vec<Failure>,
}

/// A case that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The case.
    pub case: &'static str,
    /// The sentence of the documentation that is broken.
    pub promise: &'static str,
    /// What somebody would suffer from it.
    pub harm: &'static str,
    /// What was found.
    pub found: String,
}

impl Report {
    /// Whether a case failed that is called so.
    pub fn has_failed(&self, case: &str) -> bool {
        self.failures.iter().any(|failure| failure.case == case)
    }

    /// Panics with the report unless everything was kept.
    #[allow(clippy::panic, reason = "a test suite fails by panicking")]
    pub(crate) fn expect_conformance(&self) {
        if !self.failures.is_empty() {
            panic!("{self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (failed, cases) = (self.failures.len(), self.cases);
        write!(
            formatter,
            "{failed} of {cases} cases of the conformance suite failed"
        )?;
        for failure in &self.failures {
            write!(formatter, "\n\n{failure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            case,
            promise,
            harm,
            found,
        } = self;
        write!(
            formatter,
            "{case}\n  promised: {promise}\n  found:    {found}\n  harm:     {harm}"
        )
    }
}
