//! What is sealed opens in its own place, unchanged, and nothing else opens.

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use integration_host_seal::{KeyRing, SealingKey};

struct Case<'a> {
    context: Vec<&'a str>,
    other_context: Vec<&'a str>,
    value: &'a [u8],
    /// Places in the sealed value, and what to change there.
    changes: Vec<(u16, u8)>,
    cut: u8,
    /// Something that was never sealed.
    forged: &'a [u8],
    key: &'a str,
}

impl<'a> Case<'a> {
    fn from_input(input: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self {
            context: input.arbitrary()?,
            other_context: input.arbitrary()?,
            value: input.arbitrary()?,
            changes: input.arbitrary()?,
            cut: input.arbitrary()?,
            forged: input.arbitrary()?,
            key: input.arbitrary()?,
        })
    }
}

static KEYS: LazyLock<KeyRing> = LazyLock::new(|| {
    let key = |digit: &str| SealingKey::from_text("a test", &digit.repeat(64)).expect("64 digits");
    KeyRing::new(key("1")).with_older(key("2"))
});

/// Runs the target.
pub fn run(input: &[u8]) {
    let Ok(case) = Case::from_input(&mut Unstructured::new(input)) else {
        return;
    };
    let sealed = KEYS.seal(&case.context, case.value);
    let opened = KEYS
        .open(&case.context, &sealed)
        .expect("it was just sealed");
    assert_eq!(opened.as_slice(), case.value);
    assert!(KEYS.has_key_of(&sealed) && !KEYS.is_outdated(&sealed));

    if case.other_context != case.context {
        assert!(
            KEYS.open(&case.other_context, &sealed).is_err(),
            "a value that was moved to another place was opened there"
        );
    }
    let mut changed = sealed.clone();
    for (place, change) in &case.changes {
        let place = usize::from(*place) % changed.len();
        changed[place] ^= change;
    }
    changed.truncate(sealed.len().saturating_sub(case.cut.into()));
    if changed != sealed {
        assert!(
            KEYS.open(&case.context, &changed).is_err(),
            "a value that was changed was opened"
        );
    }
    for never_sealed in [case.forged, input] {
        assert!(
            KEYS.open(&case.context, never_sealed).is_err(),
            "something that was never sealed was opened"
        );
        let _ = KEYS.is_outdated(never_sealed);
        let _ = KEYS.has_key_of(never_sealed);
    }
    // The message is the same whatever was mistyped, so it repeats nothing of it.
    let message =
        |text: &str| SealingKey::from_text("the key", text).map_err(|error| error.to_string());
    if let Err(said) = message(case.key) {
        assert_eq!(Some(said), message("").err());
    }
}
