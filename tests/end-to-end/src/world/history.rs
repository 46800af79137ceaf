//! What happens: steps that a seed decides on.

use std::fmt;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use toggl_sandbox::{Lie, Lies};

/// The most and the fewest steps of a history.
const STEPS: std::ops::Range<usize> = 15..45;

/// One thing that happens. Numbers choose among what is there then: members, entries, projects.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A member logs finished time on a project.
    Log {
        /// Who.
        member: usize,
        /// On which project.
        project: usize,
        /// When it began.
        hours_ago: i64,
    },
    /// A member starts a timer.
    Start {
        /// Who.
        member: usize,
    },
    /// A member stops the timer.
    Stop {
        /// Who.
        member: usize,
    },
    /// An entry gets another description.
    Edit {
        /// Which.
        entry: usize,
    },
    /// An entry is deleted.
    Delete {
        /// Which.
        entry: usize,
    },
    /// A project gets another name.
    RenameProject {
        /// Which.
        project: usize,
    },
    /// There is one project more.
    NewProject,
    /// A person maps a member by hand, or to nobody.
    Map {
        /// Whom.
        member: usize,
        /// To which user.
        user: Option<usize>,
    },
    /// A member is deactivated until the truth is told.
    Deactivate {
        /// Whom.
        member: usize,
    },
    /// The token's owner is no administrator until the truth is told.
    Demote,
    /// A member has another address until the truth is told.
    ChangeAddress {
        /// Whom.
        member: usize,
    },
    /// Toggl tells lies.
    Lie(Lies),
    /// Toggl's calls fail.
    Fail {
        /// How many.
        count: u32,
        /// With which status.
        status: u16,
    },
    /// Deliveries are lost.
    Drop {
        /// How many.
        count: u32,
    },
    /// Deliveries come twice.
    Duplicate {
        /// How many.
        count: u32,
    },
    /// Deliveries come in another order.
    Reorder {
        /// How many.
        count: u32,
    },
    /// Somebody disables the webhook.
    Disable,
    /// Somebody deletes the webhook.
    DeleteWebhook,
    /// Somebody has the webhook call another address.
    Redirect,
    /// Somebody changes what the webhook is about.
    ChangeFilters,
    /// Somebody changes the signing secret.
    ChangeSecret,
    /// The host's clock is elsewhere for a moment.
    Clock {
        /// How far.
        hours: i64,
        /// For how long.
        for_ms: u64,
    },
    /// The directory of users is empty.
    EmptyDirectory,
    /// The directory of users is back.
    FillDirectory,
    /// A host is killed and started again.
    Kill {
        /// Which.
        host: usize,
    },
    /// A host stands still.
    Suspend {
        /// Which.
        host: usize,
        /// For how long.
        for_ms: u64,
    },
    /// A backup is made.
    BackUp,
    /// Everything is put back to the backup.
    Restore,
    /// Only the storage is put back to the backup.
    RestoreStorage,
    /// Everything goes on for a while.
    Wait {
        /// For how long.
        ms: u64,
    },
}

/// What happens, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The steps.
    pub steps: Vec<Step>,
}

impl History {
    /// The history that a seed decides on.
    pub fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let count = random.random_range(STEPS);
        Self {
            steps: (0..count).map(|_| step(&mut random)).collect(),
        }
    }
}

impl fmt::Display for History {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps
            .iter()
            .try_for_each(|step| writeln!(formatter, "  {step:?}"))
    }
}

fn step(random: &mut StdRng) -> Step {
    let any = |random: &mut StdRng| random.random_range(0..1_000_usize);
    match random.random_range(0..100) {
        0..18 => Step::Log {
            member: any(random),
            project: any(random),
            hours_ago: random.random_range(0..60),
        },
        18..23 => Step::Start {
            member: any(random),
        },
        23..28 => Step::Stop {
            member: any(random),
        },
        28..35 => Step::Edit { entry: any(random) },
        35..39 => Step::Delete { entry: any(random) },
        39..42 => Step::RenameProject {
            project: any(random),
        },
        42..44 => Step::NewProject,
        44..47 => Step::Map {
            member: any(random),
            user: random.random::<bool>().then(|| any(random)),
        },
        47..48 => Step::Deactivate {
            member: any(random),
        },
        48..49 => Step::Demote,
        49..51 => Step::ChangeAddress {
            member: any(random),
        },
        51..61 => Step::Lie(lies(random)),
        61..63 => Step::Fail {
            count: random.random_range(1..8),
            status: pick(&[429, 500, 502, 503], random),
        },
        63..66 => Step::Drop {
            count: random.random_range(1..6),
        },
        66..68 => Step::Duplicate {
            count: random.random_range(1..6),
        },
        68..70 => Step::Reorder {
            count: random.random_range(2..6),
        },
        70..71 => Step::Disable,
        71..72 => Step::DeleteWebhook,
        72..73 => Step::Redirect,
        73..74 => Step::ChangeFilters,
        74..75 => Step::ChangeSecret,
        75..77 => Step::Clock {
            hours: pick(&[-48, -1, 1, 24, 24 * 30, 24 * 400], random),
            for_ms: random.random_range(50..400),
        },
        77..79 => Step::EmptyDirectory,
        79..81 => Step::FillDirectory,
        81..83 => Step::Kill { host: any(random) },
        83..85 => Step::Suspend {
            host: any(random),
            for_ms: random.random_range(100..1_800),
        },
        85..87 => Step::BackUp,
        87..88 => Step::Restore,
        88..89 => Step::RestoreStorage,
        _ => Step::Wait {
            ms: random.random_range(50..600),
        },
    }
}

fn lies(random: &mut StdRng) -> Lies {
    let kinds = (0..random.random_range(1..4)).map(|_| pick(&Lie::ALL, random));
    Lies {
        kinds: kinds.collect(),
        path: None,
        seed: random.random(),
        per_mille: pick(&[200, 500, 1_000], random),
        for_ms: random.random_range(300..2_500),
        behind_ms: random.random_range(200..3_000),
        slow_ms: random.random_range(100..2_000),
    }
}

fn pick<T: Copy>(of: &[T], random: &mut StdRng) -> T {
    let choice = random.random_range(0..of.len());
    // The range is that of the slice, which is a constant with something in it.
    #[allow(clippy::indexing_slicing)]
    of[choice]
}
