//! Where the program's log lines go: standard error, which may be a full disk, a pipe whose reader is gone, or one
//! that nobody reads from any more. A line that cannot be written is dropped and counted. Nothing waits for the log
//! for long, and nothing ends because of it.

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Lines that were dropped by this process.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Whether the last line found standard error stalled: then the next one does not wait.
static STALLED: AtomicBool = AtomicBool::new(false);

/// Whether the last line was written in part.
static CUT: AtomicBool = AtomicBool::new(false);

/// Lines that could not be written since the process started.
pub(crate) fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Standard error, for log lines, each of which is written at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogOutput;

impl io::Write for LogOutput {
    /// Writes a line, or drops it. This never fails, since the log library has nowhere to tell it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut error = io::stderr().lock();
        if write_line(&mut error, line).is_err() {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_line(error: &mut io::StderrLock<'_>, line: &[u8]) -> io::Result<()> {
    // The rest of a line that was cut must not look like a part of this one.
    if CUT.load(Ordering::Relaxed) {
        write_piece(error, b"\n")?;
        CUT.store(false, Ordering::Relaxed);
    }
    for (number, piece) in line.chunks(PIECE).enumerate() {
        if let Err(failure) = write_piece(error, piece) {
            // A part of this very piece may have been written too.
            CUT.store(number > 0 || piece.len() > 1, Ordering::Relaxed);
            return Err(failure);
        }
    }
    Ok(())
}

/// What can be written to a pipe without waiting, once there is room in it.
const PIECE: usize = 4096;

fn write_piece(error: &mut io::StderrLock<'_>, piece: &[u8]) -> io::Result<()> {
    if let Some(terminal) = terminal() {
        return write_to_terminal(terminal, piece);
    }
    wait_until_writable(error)?;
    io::Write::write_all(error, piece)
}

/// Standard error, if it is a terminal, opened once more so that writing never waits: a terminal that nobody reads from
/// any more says that there is room in it when there is room for a part of a line, and would wait with the rest.
fn terminal() -> Option<&'static File> {
    static TERMINAL: OnceLock<Option<File>> = OnceLock::new();
    TERMINAL.get_or_init(open_terminal).as_ref()
}

#[cfg(target_os = "linux")]
fn open_terminal() -> Option<File> {
    use std::io::IsTerminal as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    use rustix::fs::OFlags;

    if !io::stderr().is_terminal() {
        return None;
    }
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let mut options = File::options();
    options.write(true).custom_flags(flags.cast_signed());
    options.open("/proc/self/fd/2").ok()
}

#[cfg(not(target_os = "linux"))]
fn open_terminal() -> Option<File> {
    None
}

fn write_to_terminal(mut terminal: &File, mut piece: &[u8]) -> io::Result<()> {
    while !piece.is_empty() {
        wait_until_writable(&terminal)?;
        match io::Write::write(&mut terminal, piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => piece = piece.get(written..).unwrap_or_default(),
            Err(failure) if failure.kind() == io::ErrorKind::Interrupted => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

/// Waits a moment for whoever reads the log, and does not wait again until it has read.
#[cfg(unix)]
fn wait_until_writable(output: &impl AsFd) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    const PATIENCE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 100_000_000,
    };
    const NONE: Timespec = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let patience = if STALLED.load(Ordering::Relaxed) {
        NONE
    } else {
        PATIENCE
    };
    let mut ends = [PollFd::new(output, PollFlags::OUT)];
    // What else is wrong, writing tells.
    let is_stalled = poll(&mut ends, Some(&patience)) == Ok(0);
    STALLED.store(is_stalled, Ordering::Relaxed);
    match is_stalled {
        true => Err(io::ErrorKind::WouldBlock.into()),
        false => Ok(()),
    }
}

#[cfg(not(unix))]
fn wait_until_writable<T>(_: &T) -> io::Result<()> {
    Ok(())
}
