//! Everything a host keeps moves to another place, whatever keeps it there.

mod fixture;
mod generated;
mod hosts;
mod interruptions;
mod mistakes;
mod there_and_back;
