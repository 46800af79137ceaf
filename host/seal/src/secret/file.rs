//! Files that hold secrets: reading them, and who else may.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::Secret;

/// The most that is read of a file: far more than any secret has.
const MAX_BYTES: usize = 16 << 10;

/// Why a file yields no secret.
#[derive(Debug)]
pub enum FileError {
    /// Others can read or change it, and its owner can help it.
    Exposed,
    /// It cannot be read, or holds no text ([`io::ErrorKind::InvalidData`]).
    Unreadable(io::Error),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

/// What a file holds, if nobody else gets at it, as far as that can be had.
pub fn read(path: &Path, maker: Maker) -> Result<Secret, FileError> {
    let file = File::open(path)?;
    ensure_private(path, &file, maker).map_err(|Exposed| FileError::Exposed)?;
    // Made large enough at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES));
    file.take(MAX_BYTES as u64).read_to_end(&mut bytes)?;
    let text = std::str::from_utf8(&bytes);
    text.map(Secret::new)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error).into())
}

/// Who makes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maker {
    /// This program, for its owner alone: what opened it to a group since, such as `fsGroup` of Kubernetes, meant no harm.
    Host,
    /// Somebody else: the operator, or the platform that mounts it.
    Operator,
}

/// Others can read or change a file, and its owner can help it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Exposed;

/// Makes sure that nobody else gets at a secret, as far as that can be had. A file of the host's own is closed to its
/// group; one that anybody can read is refused, as somebody may have. One that cannot be closed, because the platform mounts it read-only or for this process's group, is used, and the log
/// says who can read it.
#[cfg(unix)]
fn ensure_private(path: &Path, file: &File, maker: Maker) -> Result<(), Exposed> {
    use std::os::unix::fs::PermissionsExt as _;

    let Ok(found) = file.metadata() else {
        return Err(Exposed);
    };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let path = path.display();
    let is_read_only = mode & 0o222 == 0;
    let mut keeps_no_permissions = false;
    if maker == Maker::Host && !is_read_only {
        let closed = std::fs::Permissions::from_mode(mode & 0o700);
        let is_closed = file.set_permissions(closed).is_ok();
        let now = file.metadata().map(|now| now.permissions().mode() & 0o777);
        if is_closed && now.as_ref().is_ok_and(|now| now & 0o077 == 0) {
            if mode & 0o007 != 0 {
                // Anybody may have read it. That a person has to know, and decide whether to exchange it.
                let _ = file.set_permissions(std::fs::Permissions::from_mode(mode));
                return Err(Exposed);
            }
            tracing::warn!(%path, mode = format!("{mode:03o}"), "a group could read this file with a secret, so it was closed to it");
            return Ok(());
        }
        keeps_no_permissions = is_closed && now.is_ok_and(|now| now == mode);
    }
    let may = Reach::of(&found, mode);
    let is_accepted = keeps_no_permissions
        || is_read_only
        || may.cannot_be_closed(file, mode)
        || may.is_own_group_alone();
    if !is_accepted {
        return Err(Exposed);
    }
    tracing::warn!(%path, mode = format!("{mode:03o}"), "others than this program can read this file with a secret: where the platform can, have it mount the file with mode 0400");
    Ok(())
}

#[cfg(not(unix))]
fn ensure_private(_: &Path, _: &File, _: Maker) -> Result<(), Exposed> {
    Ok(())
}

/// Who reaches a file.
#[cfg(unix)]
struct Reach {
    mode: u32,
    is_own: bool,
    is_of_own_group: bool,
}

#[cfg(unix)]
impl Reach {
    fn of(metadata: &std::fs::Metadata, mode: u32) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let user = rustix::process::geteuid();
        let groups = rustix::process::getgroups().unwrap_or_default();
        let mut groups = groups.into_iter().chain([rustix::process::getegid()]);
        Self {
            mode,
            is_own: user.is_root() || user.as_raw() == metadata.uid(),
            is_of_own_group: groups.any(|group| group.as_raw() == metadata.gid()),
        }
    }

    /// Whether this program cannot close it, and nobody but its owner can change it.
    fn cannot_be_closed(&self, file: &File, mode: u32) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        let is_others_to_change = self.mode & 0o022 != 0;
        // Giving it the permissions that it has changes nothing, and fails on what is mounted read-only.
        let same = std::fs::Permissions::from_mode(mode);
        !is_others_to_change && (!self.is_own || file.set_permissions(same).is_err())
    }

    /// Whether it is open to a group alone, and this program is in it.
    fn is_own_group_alone(&self) -> bool {
        self.mode & 0o007 == 0 && self.is_of_own_group
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_ours_is_closed_and_what_cannot_be_closed_is_used() {
        use Maker::{Host, Operator};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (mode, maker, expected, afterwards) in [
            (0o600, Host, Ok(()), 0o600),
            (0o400, Operator, Ok(()), 0o400),
            // As `fsGroup` leaves it.
            (0o660, Host, Ok(()), 0o600),
            (0o640, Host, Ok(()), 0o600),
            (0o644, Host, Err(Exposed), 0o644),
            // As Kubernetes and Docker mount secrets.
            (0o440, Host, Ok(()), 0o440),
            (0o440, Operator, Ok(()), 0o440),
            (0o444, Operator, Ok(()), 0o444),
            (0o640, Operator, Ok(()), 0o640),
            (0o644, Operator, Err(Exposed), 0o644),
            (0o666, Operator, Err(Exposed), 0o666),
            (0o602, Operator, Err(Exposed), 0o602),
        ] {
            std::fs::write(&path, "secret").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let file = File::open(&path).unwrap();
            let found = ensure_private(&path, &file, maker);
            assert_eq!(found, expected, "{mode:o} {maker:?}");
            let now = file.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(now, afterwards, "{mode:o} {maker:?}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    /// As a secret that Kubernetes mounts with its default mode, 0644, which belongs to root.
    #[test]
    fn a_file_of_another_user_that_only_they_can_change_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "secret").unwrap();
        let file = File::open(&path).unwrap();
        let reach = |mode| Reach {
            mode,
            is_own: false,
            is_of_own_group: false,
        };
        assert!(reach(0o644).cannot_be_closed(&file, 0o644));
        assert!(!reach(0o646).cannot_be_closed(&file, 0o646));
        assert!(!reach(0o664).cannot_be_closed(&file, 0o664));
    }
}
