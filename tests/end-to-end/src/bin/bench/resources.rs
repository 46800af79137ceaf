//! What processes use, as the system tells.

use std::time::Duration;

use anyhow::{Context as _, Result};
use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

/// The processor time of a process so far.
pub fn processor_time(process: u32) -> Result<Duration> {
    let process = Pid::from_u32(process);
    processor_time_of(|other| other.pid() == process)
}

/// The processor time of a process and of its children that run.
pub fn processor_time_with_children(process: u32) -> Result<Duration> {
    let process = Pid::from_u32(process);
    processor_time_of(|other| other.pid() == process || other.parent() == Some(process))
}

/// The memory that a process has now, in bytes.
pub fn memory(process: u32) -> Result<u64> {
    let process = Pid::from_u32(process);
    let mut system = System::new()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[process]),
        true,
        ProcessRefreshKind::nothing().with_memory(),
    );
    let process = system.process(process).context("it has ended")?;
    Ok(process.memory())
}

fn processor_time_of(is_meant: impl Fn(&Process) -> bool) -> Result<Duration> {
    let mut system = System::new()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::All,
        true,
        ProcessRefreshKind::nothing().with_cpu(),
    );
    let meant = system.processes().values().filter(|other| is_meant(other));
    let milliseconds = meant.map(Process::accumulated_cpu_time).sum();
    Ok(Duration::from_millis(milliseconds))
}
