//! The file that sealing keys are kept in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::key::{SealingKey, SealingKeyError};
use super::ring::KeyRing;
use crate::drafts::{directory_of, hold, remove_left_behind, sync_directory, take_free_place};
use crate::secret::file::{Exposed, Maker, ensure_private};
use integration_host_contract::id::random_bytes;

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
    ensure_private(path, &file, Maker::Host).map_err(|Exposed| SealingKeyError::Exposed {
        path: path.display().to_string(),
    })?;
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
    write_draft(path, ring, |draft| take_free_place(draft, path))
}

/// Writes keys beside a file, and has them take their place once they are durable.
fn write_draft(
    path: &Path,
    ring: &KeyRing,
    take_place: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let directory = directory_of(path);
    let prefix = draft_prefix(path);
    // A kill may have left some: they hold keys.
    remove_left_behind(&directory, |name| is_draft(name, &prefix));
    let draft = directory.join(format!("{prefix}{}", hex::encode(random_bytes::<4>())));
    let written = (|| {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&draft)?;
        hold(&file);
        file.write_all(ring.to_text().as_bytes())?;
        file.sync_all()?;
        take_place(&draft)?;
        sync_directory(&directory)
    })();
    if written.is_err() {
        // What failed is told; a draft that stays is of no use to anybody.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// What the names of drafts of a file begin with.
fn draft_prefix(path: &Path) -> String {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    format!("{name}.new-")
}

fn is_draft(name: &str, prefix: &str) -> bool {
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
