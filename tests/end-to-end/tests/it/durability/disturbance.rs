//! What happens to a database while a host uses it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::Setup;

/// Something that keeps a host from writing, for a while.
pub trait Disturbance {
    fn name(&self) -> &'static str;
    fn begin(&mut self, setup: &Setup);
    fn end(&mut self, setup: &Setup);
}

/// Runs a program, and says what it said if it failed.
fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn copy(from: &Path, to: &Path) {
    run("cp", &["-R", "-p", text(from), text(to)]).unwrap();
}

/// A small file system that a file fills.
pub struct FullDisk {
    data: PathBuf,
}

impl FullDisk {
    pub fn mount(data: &Path) -> Result<Self, String> {
        run(
            "mount",
            &["-t", "tmpfs", "-o", "size=8m", "tmpfs", text(data)],
        )?;
        Ok(Self {
            data: data.to_owned(),
        })
    }
}

impl Disturbance for FullDisk {
    fn name(&self) -> &'static str {
        "a full disk"
    }

    fn begin(&mut self, _: &Setup) {
        let mut filler = fs::File::create(self.data.join("filler")).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    fn end(&mut self, _: &Setup) {
        fs::remove_file(self.data.join("filler")).unwrap();
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        // The host may still be there; the mount goes with its last file.
        let _ = run("umount", &["--lazy", text(&self.data)]);
    }
}

/// A limit on the size of the host's files.
pub struct FileSizeLimit {
    data: PathBuf,
}

impl FileSizeLimit {
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
        }
    }

    fn set(setup: &Setup, limit: &str) {
        let id = setup.host.id().unwrap().to_string();
        run(
            "prlimit",
            &["--pid", &id, &format!("--fsize={limit}:unlimited")],
        )
        .unwrap();
    }
}

impl Disturbance for FileSizeLimit {
    fn name(&self) -> &'static str {
        "a limit on the size of files"
    }

    fn begin(&mut self, setup: &Setup) {
        let sizes = files(&self.data)
            .into_iter()
            .map(|path| path.metadata().unwrap().len());
        Self::set(setup, &sizes.max().unwrap().to_string());
    }

    fn end(&mut self, setup: &Setup) {
        Self::set(setup, "unlimited");
    }
}

/// Files that nobody may write, whoever has them open.
pub struct Immutable {
    data: PathBuf,
}

impl Immutable {
    /// Tries it out: some file systems, and users who are not root, cannot.
    pub fn of(data: &Path) -> Result<Self, String> {
        let path = data.join("trial");
        let mut trial = fs::File::create(&path).unwrap();
        run("chattr", &["+i", text(&path)])?;
        let written = trial.write_all(b"x").is_ok();
        run("chattr", &["-i", text(&path)])?;
        fs::remove_file(path).unwrap();
        if written {
            return Err("this file system lets who has a file open go on writing".to_owned());
        }
        Ok(Self {
            data: data.to_owned(),
        })
    }

    fn change(&self, how: &str) {
        for path in files(&self.data) {
            run("chattr", &[how, text(&path)]).unwrap();
        }
        run("chattr", &[how, text(&self.data)]).unwrap();
    }
}

impl Disturbance for Immutable {
    fn name(&self) -> &'static str {
        "immutable files"
    }

    fn begin(&mut self, _: &Setup) {
        self.change("+i");
    }

    fn end(&mut self, _: &Setup) {
        // The directory first, or its files could not be changed either.
        self.change("-i");
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        if self.data.is_dir() {
            self.change("-i");
        }
    }
}

/// A copy of the directory in its place that cannot be written: a file system that was mounted again
/// after an error, say.
pub struct ReadOnlyCopy {
    data: PathBuf,
    elsewhere: PathBuf,
    is_mounted: bool,
}

impl ReadOnlyCopy {
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            elsewhere: data.with_extension("elsewhere"),
            is_mounted: false,
        }
    }

    fn permit(&self, directory: &str, file: &str) {
        for path in files(&self.data) {
            run("chmod", &[file, text(&path)]).unwrap();
        }
        run("chmod", &[directory, text(&self.data)]).unwrap();
    }
}

impl Disturbance for ReadOnlyCopy {
    fn name(&self) -> &'static str {
        "a read-only directory"
    }

    fn begin(&mut self, _: &Setup) {
        fs::rename(&self.data, &self.elsewhere).unwrap();
        copy(&self.elsewhere, &self.data);
        self.permit("500", "400");
        // Permissions do not hold root back.
        if fs::File::create(self.data.join("trial")).is_ok() {
            fs::remove_file(self.data.join("trial")).unwrap();
            let data = text(&self.data);
            run("mount", &["--bind", data, data]).unwrap();
            self.is_mounted = true;
            run("mount", &["-o", "remount,bind,ro", data]).unwrap();
        }
    }

    fn end(&mut self, _: &Setup) {
        if self.is_mounted {
            run("umount", &["--lazy", text(&self.data)]).unwrap();
            self.is_mounted = false;
        }
        self.permit("700", "600");
        fs::remove_dir_all(&self.data).unwrap();
        fs::rename(&self.elsewhere, &self.data).unwrap();
    }
}

impl Drop for ReadOnlyCopy {
    fn drop(&mut self) {
        if self.is_mounted {
            let _ = run("umount", &["--lazy", text(&self.data)]);
        }
    }
}

/// Another program in the middle of a change.
pub struct Locked {
    path: PathBuf,
    other: Option<rusqlite::Connection>,
}

impl Locked {
    pub fn new(path: PathBuf) -> Self {
        Self { path, other: None }
    }
}

impl Disturbance for Locked {
    fn name(&self) -> &'static str {
        "a locked database"
    }

    fn begin(&mut self, _: &Setup) {
        let other = rusqlite::Connection::open(&self.path).unwrap();
        other
            .busy_timeout(std::time::Duration::from_secs(10))
            .unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        self.other = Some(other);
    }

    fn end(&mut self, _: &Setup) {
        self.other.take();
    }
}

/// A directory under another name.
pub struct Moved {
    data: PathBuf,
    elsewhere: PathBuf,
}

impl Moved {
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            elsewhere: data.with_extension("elsewhere"),
        }
    }
}

impl Disturbance for Moved {
    fn name(&self) -> &'static str {
        "a directory that is moved away"
    }

    fn begin(&mut self, _: &Setup) {
        fs::rename(&self.data, &self.elsewhere).unwrap();
    }

    fn end(&mut self, _: &Setup) {
        fs::rename(&self.elsewhere, &self.data).unwrap();
    }
}

/// A directory that is gone, and a copy of it.
pub struct Removed {
    data: PathBuf,
    copy: PathBuf,
}

impl Removed {
    pub fn new(data: &Path) -> Self {
        Self {
            data: data.to_owned(),
            copy: data.with_extension("copy"),
        }
    }
}

impl Disturbance for Removed {
    fn name(&self) -> &'static str {
        "a directory that is removed"
    }

    fn begin(&mut self, _: &Setup) {
        copy(&self.data, &self.copy);
        fs::remove_dir_all(&self.data).unwrap();
    }

    fn end(&mut self, _: &Setup) {
        copy(&self.copy, &self.data);
    }
}
