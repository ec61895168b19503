//! Rules over a million lines a side, the most they take: seconds and memory. `--rows N` for fewer.

use matching::passes::{Act, Direction, Field, LINES_MAX, Line, Pass, Rules, Shape, Walls, run};
use matching_benches::{Failure, peak_mib};
use std::time::Instant;

/// One line in so many has a fault, each in its turn.
const FAULT_EACH: usize = 100;

fn rules() -> Rules {
    let pass = |name: &str, act| Pass { name: name.to_owned(), act };
    let lag = Act::DateLag {
        by: vec![Field::Reference],
        min_days: 1,
        max_days: 3,
        direction: Direction::RightLater,
        tolerance: None,
    };
    let sum = Act::BatchSum {
        by: Field::Reference,
        shape: Shape::OneToMany,
        max_lines: 50,
        max_days: 3,
        tolerance: None,
    };
    let passes = vec![
        pass("exact", Act::Exact { by: vec![Field::Reference] }),
        pass("second", Act::FallbackKey { by: vec![Field::SecondReference], tolerance: None }),
        pass("late", lag),
        pass("split", sum),
    ];
    Rules {
        name: "bench".to_owned(),
        version: 1,
        walls: Walls::Inside,
        passes,
        tolerances: Default::default(),
        lines_max: LINES_MAX,
    }
}

/// Two sides; returns how many right lines were lost.
fn sides(len: usize) -> (Vec<Line>, Vec<Line>, usize) {
    let (mut left, mut right, mut lost) = (Vec::new(), Vec::new(), 0);
    for at in 0..len {
        // Out of order by a prime, so that sorting has work.
        let number = at * 7_919 % len;
        let line = Line {
            id: format!("line-{number:08}"),
            amount_minor: i64::try_from(number % 5_000).unwrap_or(0) + 1,
            currency: "CNY".to_owned(),
            day: 20_000,
            reference: Some(format!("order-{number:012}")),
            second_reference: Some(format!("trade-{number:012}")),
            ..Line::default()
        };
        left.push(line.clone());
        match (number % FAULT_EACH, number / FAULT_EACH % 3) {
            (0, 0) => right.push(Line { reference: None, ..line }),
            (0, 1) => right.push(Line { day: line.day + 2, ..line }),
            (0, _) => lost += 1,
            _ => right.push(line),
        }
    }
    (left, right, lost)
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--rows").skip(1);
    let rows: usize = arguments.next().map_or(Ok(LINES_MAX), |text| text.parse())?;
    let (left, right, lost) = sides(rows.min(LINES_MAX));
    let (rules, before_mib) = (rules().check()?, peak_mib("self")?);
    let started = Instant::now();
    let outcome = run(&rules, &left, &right)?;
    let took_s = started.elapsed().as_secs_f64();
    let peak_mib = peak_mib("self")?;
    assert_eq!(outcome.unmatched_left.len(), lost, "what was lost is unmatched");
    assert_eq!(outcome.matches.len(), right.len(), "everything else is matched");
    println!("rules: {} lines a side, four passes: {took_s:.2} s", left.len());
    println!("  memory {peak_mib:.0} MiB, of which the lines themselves {before_mib:.0}");
    Ok(())
}
