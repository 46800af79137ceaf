//! Lists that are not what they were asked for.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::Lie;

/// Where a list that is not the whole answer stands: in pages of tasks.
const LIST: &str = "data";

/// When a row was last changed, whichever list it is in.
const TIMES: [&str; 3] = ["at", "updated_at", "created_at"];

/// Changes a list; what is no list stays as it is. `behind`: now, and how far a late list is behind.
pub(super) fn change(
    lie: Lie,
    answer: &mut Value,
    earlier: Option<Value>,
    behind: (Timestamp, Duration),
    random: &mut StdRng,
) {
    if let (Lie::Late, Some(earlier)) = (lie, earlier) {
        *answer = earlier;
        return;
    }
    let list = match answer {
        Value::Object(object) => match object.get_mut(LIST) {
            Some(list) => list,
            None => return,
        },
        list => list,
    };
    let Value::Array(rows) = list else {
        return;
    };
    match lie {
        Lie::Empty => rows.clear(),
        Lie::Null => *list = Value::Null,
        Lie::CutShort => rows.truncate(random.random_range(0..=rows.len())),
        Lie::RowsMissing => rows.retain(|_| random.random()),
        Lie::RowsDoubled => {
            let doubled: Vec<Value> = rows.iter().filter(|_| random.random()).cloned().collect();
            rows.extend(doubled);
        }
        Lie::Late => rows.retain(|row| !is_newer(row, behind)),
        Lie::Nonsense | Lie::Slow | Lie::NotDone => {}
    }
}

/// An answer that ends early knows of no next page.
pub(super) fn forget_next_page(headers: &mut HeaderMap) {
    for name in ["x-next-id", "x-next-row-number", "x-next-timestamp"] {
        headers.remove(name);
    }
}

/// Whether a row, or an entry in it, was changed less than that ago.
fn is_newer(row: &Value, (now, behind): (Timestamp, Duration)) -> bool {
    let entries = row["time_entries"].as_array().into_iter().flatten();
    std::iter::once(row)
        .chain(entries)
        .flat_map(|row| TIMES.iter().filter_map(|name| row[*name].as_str()))
        .filter_map(|time| time.parse::<Timestamp>().ok())
        .any(|time| now.duration_since(time).unsigned_abs() < behind)
}
