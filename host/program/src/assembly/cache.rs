//! The directory for compiled code. Native code is loaded from it, so only one that nobody else can write to is used.
//! Without one a start takes longer, which is no reason not to start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tracing::warn;

/// The directory, made if it is not there, as the engine wants it: absolute. `None`: it cannot be used, which is
/// logged.
pub(super) fn open(path: &Path) -> Option<PathBuf> {
    prepare(path)
        .inspect_err(|why| {
            warn!("{why}; until then nothing compiled is kept, and each start takes longer");
        })
        .ok()
}

fn prepare(path: &Path) -> Result<PathBuf, String> {
    let unusable = |error: io::Error| {
        format!(
            "the directory {} for compiled code cannot be used ({error}): remove what is in its place",
            path.display()
        )
    };
    super::create_data_directory(path).map_err(unusable)?;
    let path = path.canonicalize().map_err(unusable)?;
    let metadata = fs::metadata(&path).map_err(unusable)?;
    // Whoever makes a file there is told by it who that is, and whether files can be made at all.
    let probe = path.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, []).map_err(unusable)?;
    let own = fs::metadata(&probe);
    fs::remove_file(&probe).map_err(unusable)?;
    if is_others(&metadata, &own.map_err(unusable)?) {
        return Err(format!(
            "others can write to {}, where compiled code is kept, so that its code may be theirs: remove it, and the next start \
             makes it anew",
            path.display()
        ));
    }
    close_to_others(&path).map_err(unusable)?;
    Ok(path)
}

/// Whether a directory is another user's, or lets others write to it.
#[cfg(unix)]
fn is_others(directory: &fs::Metadata, own: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    directory.uid() != own.uid() || directory.mode() & 0o022 != 0
}

#[cfg(not(unix))]
fn is_others(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    false
}

/// One that an earlier version made can be read by others.
#[cfg(unix)]
fn close_to_others(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn it_is_made_for_its_owner_alone_and_an_older_one_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let made = open(&path).unwrap();
        assert_eq!(mode(&made), 0o700);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(open(&path), Some(made));
        assert_eq!(mode(&path), 0o700);
    }

    #[test]
    fn code_that_others_may_have_written_is_not_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        fs::create_dir(&path).unwrap();
        for writable in [0o777, 0o770, 0o702] {
            fs::set_permissions(&path, fs::Permissions::from_mode(writable)).unwrap();
            assert_eq!(open(&path), None, "{writable:o}");
        }
    }

    #[test]
    fn what_is_in_its_place_ends_no_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        fs::write(&path, "a file").unwrap();
        assert_eq!(open(&path), None);
        assert_eq!(open(&path.join("below")), None);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    }
}
