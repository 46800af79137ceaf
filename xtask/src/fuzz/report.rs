//! What came of fuzzing, for people and for programs.

use std::fmt;

use serde_json::{Value, json};

use super::run::Outcome;

/// The outcomes of all targets.
pub struct Report(Vec<Outcome>);

impl Report {
    pub fn new(outcomes: Vec<Outcome>) -> Self {
        Self(outcomes)
    }

    /// How many targets crashed. Each ends at its first crash.
    pub fn crashes(&self) -> usize {
        let crashed = |outcome: &&Outcome| outcome.crash.is_some();
        self.0.iter().filter(crashed).count()
    }

    fn inputs(&self) -> u64 {
        self.0.iter().map(|outcome| outcome.inputs).sum()
    }

    /// `{"targets":[…],"inputs":n,"crashes":n}`
    pub fn json(&self) -> Value {
        let target = |outcome: &Outcome| {
            let crash = outcome.crash.as_ref().map(|crash| {
                json!({
                    "input": crash.input, "command": crash.command, "log": crash.log,
                })
            });
            json!({
                "target": outcome.target, "inputs": outcome.inputs, "per_second": outcome.per_second,
                "edges": outcome.edges, "new_units": outcome.new_units, "crash": crash,
            })
        };
        let targets: Vec<Value> = self.0.iter().map(target).collect();
        json!({"targets": targets, "inputs": self.inputs(), "crashes": self.crashes()})
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<18} {:>12} {:>10} {:>8} {:>10} {:>8}",
            "target", "inputs", "inputs/s", "edges", "new units", "crashes"
        )?;
        for outcome in &self.0 {
            writeln!(
                formatter,
                "{:<18} {:>12} {:>10} {:>8} {:>10} {:>8}",
                outcome.target,
                grouped(outcome.inputs),
                grouped(outcome.per_second),
                grouped(outcome.edges),
                outcome.new_units,
                usize::from(outcome.crash.is_some()),
            )?;
        }
        for (outcome, crash) in self
            .0
            .iter()
            .filter_map(|outcome| Some((outcome, outcome.crash.as_ref()?)))
        {
            writeln!(
                formatter,
                "\n{} crashed\n  input  {}\n  log    {}\n  again  {}",
                outcome.target,
                crash.input.display(),
                crash.log.display(),
                crash.command,
            )?;
        }
        let inputs = grouped(self.inputs());
        let (targets, crashes) = (self.0.len(), self.crashes());
        writeln!(
            formatter,
            "\nfuzz inputs run: {inputs} across {targets} targets, {crashes} crashes"
        )
    }
}

/// 1234567 as 1,234,567.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_can_be_read() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
