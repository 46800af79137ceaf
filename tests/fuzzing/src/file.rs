//! A file with the input in it, for what is read from files.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

thread_local! {
    static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// Makes a file of this name, unless it is there, in the same folder.
pub fn once(name: &str, content: &[u8]) -> PathBuf {
    let path = folder().join(name);
    if !path.exists() {
        fs::write(&path, content).expect("a file");
    }
    path
}

/// Writes a file of this name into a folder of this thread's own, and returns its path.
pub fn write(name: &str, content: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::write(&path, content).expect("a file");
    path
}

fn folder() -> PathBuf {
    FOLDER.with_borrow_mut(|folder| {
        let folder = folder.get_or_insert_with(|| tempfile::tempdir().expect("a folder"));
        folder.path().to_owned()
    })
}
