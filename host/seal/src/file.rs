//! The file that sealing keys are kept in.

use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use super::key::{SealingKey, SealingKeyError};
use super::ring::KeyRing;
use crate::drafts::{Draft, directory_of, remove_left_behind};
use crate::secret;
use crate::secret::file::{FileError, Maker};

/// The keys in a file, which is made with a new key if it is not there.
pub(super) fn load_or_create(path: &Path) -> Result<KeyRing, SealingKeyError> {
    let failed = |cause| failed(path, cause);
    match load(path) {
        Err(SealingKeyError::File { cause, .. }) if cause.kind() == ErrorKind::NotFound => {}
        loaded => return loaded,
    }
    let ring = KeyRing::new(SealingKey::generate());
    match create(path, &ring) {
        Ok(()) => Ok(ring),
        // Somebody else was faster: theirs counts.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => load(path),
        Err(error) => Err(failed(error)),
    }
}

/// The keys in a file that must exist.
pub(super) fn load(path: &Path) -> Result<KeyRing, SealingKeyError> {
    let shown = || path.display().to_string();
    match secret::file::read(path, Maker::Host) {
        Ok(text) => KeyRing::from_text(&shown(), text.expose()),
        Err(FileError::Exposed) => Err(SealingKeyError::Exposed { path: shown() }),
        Err(FileError::Unreadable(cause)) if cause.kind() == ErrorKind::InvalidData => {
            let source_name = shown();
            Err(SealingKeyError::Malformed { source_name })
        }
        Err(FileError::Unreadable(cause)) => Err(failed(path, cause)),
    }
}

/// Puts keys into a file in the place of those it has. After a crash it has the one or the other.
pub(super) fn replace(path: &Path, ring: &KeyRing) -> Result<(), SealingKeyError> {
    // Behind a link is where the keys are.
    let replaced = path
        .canonicalize()
        .and_then(|path| write(&path, ring, true));
    replaced.map_err(|cause| failed(path, cause))
}

/// Writes keys to a file that must not exist. It appears whole or not at all.
pub(super) fn create(path: &Path, ring: &KeyRing) -> io::Result<()> {
    write(path, ring, false)
}

fn write(path: &Path, ring: &KeyRing, force: bool) -> io::Result<()> {
    // A kill may have left some of an earlier version: they hold keys.
    let prefix = former_prefix(path);
    remove_left_behind(&directory_of(path), |name| is_former(name, &prefix));
    let mut draft = Draft::begin(path)?;
    draft.file().write_all(ring.to_text().as_bytes())?;
    draft.keep(force)
}

/// What the names of drafts began with in earlier versions.
fn former_prefix(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{name}.new-")
}

fn is_former(name: &str, prefix: &str) -> bool {
    let random = name.strip_prefix(prefix).unwrap_or_default();
    random.len() == 8 && random.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn failed(path: &Path, cause: io::Error) -> SealingKeyError {
    SealingKeyError::File {
        path: path.display().to_string(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing-key");
        let made = load_or_create(&path).unwrap();
        let found = load_or_create(&path).unwrap();
        assert_eq!(made.id(), found.id());
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "a draft was left behind"
        );
    }

    /// As `fsGroup` of Kubernetes leaves it before the second start.
    #[cfg(unix)]
    #[test]
    fn a_key_that_was_opened_to_a_group_is_closed_again() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing-key");
        let ring = load_or_create(&path).unwrap();
        replace(&path, &ring).unwrap();
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        for opened in [0o640, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(opened)).unwrap();
            assert_eq!(load_or_create(&path).unwrap().id(), ring.id());
            assert_eq!(mode(), 0o600);
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        let error = load_or_create(&path).unwrap_err().to_string();
        assert!(
            error.contains(&format!("chmod 600 {}", path.display())),
            "{error}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn keys_behind_a_link_are_replaced_where_they_are() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        load_or_create(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let other = KeyRing::new(SealingKey::generate());
        replace(&link, &other).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(load(&real).unwrap().id(), other.id());
    }
}
