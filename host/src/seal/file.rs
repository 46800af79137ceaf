//! The file that sealing keys are kept in.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::key::{SealingKey, SealingKeyError};
use super::ring::KeyRing;
use crate::id::random_bytes;

/// The largest file that is read: far more than there can be keys.
const MAX_BYTES: usize = 16 << 10;

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
    let failed = |cause| failed(path, cause);
    let file = File::open(path).map_err(failed)?;
    if is_exposed(&file.metadata().map_err(failed)?) {
        return Err(SealingKeyError::Exposed {
            path: path.display().to_string(),
        });
    }
    // Made large enough at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    file.take(MAX_BYTES as u64)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let source_name = path.display().to_string();
    match std::str::from_utf8(&bytes) {
        Ok(text) => KeyRing::from_text(&source_name, text),
        Err(_) => Err(SealingKeyError::Malformed { source_name }),
    }
}

/// Puts keys into a file in the place of those it has. After a crash it has the one or the other.
pub(super) fn replace(path: &Path, ring: &KeyRing) -> Result<(), SealingKeyError> {
    let replaced = (|| {
        // Behind a link is where the keys are.
        let path = path.canonicalize()?;
        write_draft(&path, ring, |draft| fs::rename(draft, &path))
    })();
    replaced.map_err(|cause| failed(path, cause))
}

/// Writes keys to a file that must not exist. It appears whole or not at all.
pub(super) fn create(path: &Path, ring: &KeyRing) -> io::Result<()> {
    write_draft(path, ring, |draft| {
        fs::hard_link(draft, path)?;
        fs::remove_file(draft)
    })
}

/// Writes keys beside a file, and has them take their place once they are durable.
fn write_draft(
    path: &Path,
    ring: &KeyRing,
    take_place: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let draft = path.with_extension(format!("new-{}", hex::encode(random_bytes::<4>())));
    let written = (|| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        file.write_all(ring.to_text().as_bytes())?;
        file.sync_all()?;
        take_place(&draft)?;
        File::open(directory_of(path))?.sync_all()
    })();
    if written.is_err() {
        // What failed is told; a draft that stays is of no use to anybody.
        let _ = fs::remove_file(&draft);
    }
    written
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn failed(path: &Path, cause: io::Error) -> SealingKeyError {
    SealingKeyError::File {
        path: path.display().to_string(),
        cause,
    }
}

/// Whether others than its owner can read or change a file.
#[cfg(unix)]
pub(crate) fn is_exposed(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

/// Whether others than its owner can read or change a file, which this system does not tell.
#[cfg(not(unix))]
pub(crate) fn is_exposed(_metadata: &Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
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

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_remedy() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sealing-key");
        let ring = load_or_create(&path).unwrap();
        replace(&path, &ring).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
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
