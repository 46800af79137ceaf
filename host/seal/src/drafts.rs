//! Files that are written beside their place and take it when they are whole. What a kill leaves of one is removed when
//! the next is begun in the same directory.
//!
//! Whoever writes a draft holds a lock on it, which ends with the process: a draft that can be locked is left behind.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tracing::{debug, warn};

/// What the names of drafts have that get their name at the end.
const MARK: &str = ".integration-host-draft-";

/// A file that only its owner can read and that is gone unless it is [kept](Self::keep).
pub struct Draft {
    file: NamedTempFile,
    target: PathBuf,
    directory: PathBuf,
}

impl Draft {
    /// Begins a file beside the place it is meant for.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn begin(target: &Path) -> io::Result<Self> {
        let directory = directory_of(target);
        remove_left_behind(&directory, |name| {
            name.starts_with('.') && name.contains(MARK)
        });
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let file = tempfile::Builder::new()
            .prefix(&format!(".{name}{MARK}"))
            .tempfile_in(&directory)?;
        hold(file.as_file());
        Ok(Self {
            file,
            target: target.to_owned(),
            directory,
        })
    }

    /// Where it is meanwhile.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The file.
    pub fn file(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Another handle to the file.
    pub fn reopen(&self) -> io::Result<File> {
        self.file.reopen()
    }

    /// Gives it its name once it is durable. With `force` it takes the place of what is there, otherwise that is
    /// [`io::ErrorKind::AlreadyExists`].
    pub fn keep(self, force: bool) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        if force {
            self.file
                .persist(&self.target)
                .map_err(|error| error.error)?;
        } else {
            take_free_place(&self.file.into_temp_path(), &self.target)?;
        }
        sync_directory(&self.directory)
    }
}

/// Gives a draft that is durable its place, unless something is there, which is [`io::ErrorKind::AlreadyExists`]. It
/// appears whole where the file system knows links, or renaming that replaces nothing; elsewhere, as on SMB and exFAT, a
/// crash may leave a part of it.
fn take_free_place(draft: &Path, target: &Path) -> io::Result<()> {
    take_free_place_by(&[by_link, by_renaming, by_copying], draft, target)
}

type Way = fn(&Path, &Path) -> io::Result<()>;

fn take_free_place_by(ways: &[Way], draft: &Path, target: &Path) -> io::Result<()> {
    let mut taken = Err(io::ErrorKind::Unsupported.into());
    for way in ways {
        taken = way(draft, target);
        match &taken {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {}
            _ => break,
        }
    }
    taken
}

fn by_link(draft: &Path, target: &Path) -> io::Result<()> {
    fs::hard_link(draft, target)?;
    fs::remove_file(draft)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
fn by_renaming(draft: &Path, target: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(
        CWD,
        draft,
        CWD,
        target,
        RenameFlags::NOREPLACE,
    )?)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn by_renaming(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn by_copying(draft: &Path, target: &Path) -> io::Result<()> {
    let mut from = File::open(draft)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut to = options.open(target)?;
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.sync_all());
    match copied {
        Ok(()) => fs::remove_file(draft),
        Err(error) => {
            // It was made here, and is of no use to anybody.
            let _ = fs::remove_file(target);
            Err(error)
        }
    }
}

/// Makes the names in a directory durable, where the file system can be asked to.
fn sync_directory(directory: &Path) -> io::Result<()> {
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            debug!(%error, "this file system makes names durable in its own time");
            Ok(())
        }
        synced => synced,
    }
}

/// Marks a file as one that is being written. Where files cannot be locked it only stays when it is left behind.
pub fn hold(file: &File) {
    if let Err(error) = file.try_lock() {
        debug!(%error, "a draft could not be locked");
    }
}

/// Removes the drafts in a directory that nobody writes any more.
pub(crate) fn remove_left_behind(directory: &Path, is_draft: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_draft(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let is_left = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_left && let Err(error) = fs::remove_file(&path) {
            warn!(%error, "an unfinished file could not be removed: {}", path.display());
        }
    }
}

/// The directory that a file is in.
pub fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let files = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_kill_left_is_removed_and_what_is_being_written_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let left = format!(".monday.sqlite{MARK}abc");
        fs::write(directory.path().join(&left), "a part").unwrap();
        fs::write(directory.path().join(".tmpabc"), "somebody's").unwrap();
        let mut one = Draft::begin(&directory.path().join("one")).unwrap();
        assert!(!names(directory.path()).contains(&left));
        let two = Draft::begin(&directory.path().join("two")).unwrap();
        one.file().write_all(b"whole").unwrap();
        one.keep(false).unwrap();
        drop(two);
        assert_eq!(names(directory.path()), [".tmpabc", "one"]);
        assert_eq!(fs::read(directory.path().join("one")).unwrap(), b"whole");
    }

    /// File systems without hard links, such as SMB and exFAT, and without renaming that replaces nothing.
    #[test]
    fn a_free_place_is_taken_and_nothing_replaced_whatever_the_file_system_can() {
        let cannot: Way = |_, _| Err(io::ErrorKind::PermissionDenied.into());
        for ways in [
            &[by_link, by_renaming, by_copying][..],
            &[cannot, by_renaming, by_copying],
            &[cannot, cannot, by_copying],
        ] {
            let directory = tempfile::tempdir().unwrap();
            let (draft, target) = (directory.path().join("draft"), directory.path().join("key"));
            fs::write(&draft, "a key").unwrap();
            take_free_place_by(ways, &draft, &target).unwrap();
            assert_eq!(names(directory.path()), ["key"]);
            assert_eq!(fs::read(&target).unwrap(), b"a key");

            fs::write(&draft, "another").unwrap();
            let refused = take_free_place_by(ways, &draft, &target).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&target).unwrap(), b"a key");
        }
    }

    #[test]
    fn a_draft_is_its_owners_and_replaces_only_what_it_may() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("file");
        fs::write(&target, "before").unwrap();
        let draft = Draft::begin(&target).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(draft.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let refused = draft.keep(false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        Draft::begin(&target).unwrap().keep(true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
    }
}
