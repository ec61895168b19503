//! Invariant under test: a plan never promises what no step of the load test has shown.

use guard::capacity::{CapacityError, Forecast, LoadStep, LoadTest, TenantShare, plan};

fn step(offered_per_s: u64, served_per_s: u64, p99_us: u64) -> LoadStep {
    LoadStep { offered_per_s, served_per_s, p99_us }
}

fn test(steps: &[LoadStep]) -> LoadTest {
    LoadTest { nodes: 2, steps: steps.to_vec(), p99_max_us: 20_000 }
}

fn forecast() -> Forecast {
    Forecast {
        peak_per_s: 100_000,
        margin_percent: 30,
        nodes_away: 1,
        room_percent: 25,
        viewer_per_s: 10,
        tenants: vec![
            TenantShare { name: "north".to_owned(), weight: 3 },
            TenantShare { name: "south".to_owned(), weight: 1 },
        ],
    }
}

#[test]
fn nodes_cover_the_peak_its_margin_and_those_that_are_away() {
    let test =
        test(&[step(20_000, 20_000, 4_000), step(40_000, 39_900, 9_000), step(60_000, 41_000, 80_000)]);
    let plan = plan(&test, &forecast()).expect("a plan");
    assert_eq!(plan.node_per_s, 19_950);
    assert_eq!(plan.nodes, 8, "130,000 / 19,950 is 6.5: seven, and one that may be away");
    assert_eq!(plan.throttled_above_per_s, 7 * 19_950);
    assert_eq!(plan.in_flight_max, 270, "19,950/s for 9 ms are 180 in flight");
    let quota = |scope: &str, key: Option<&str>| {
        let mut lines = plan.quotas.iter();
        let line = lines.find(|line| line.scope == scope && line.key.as_deref() == key).expect("a quota");
        (line.per_s, line.burst)
    };
    assert_eq!(quota("viewer", None), (10, 5));
    assert_eq!(quota("room", None), (4_987, 2_494));
    assert_eq!(quota("tenant", Some("north")), (14_962, 7_481));
    assert_eq!(quota("tenant", Some("south")), (4_987, 2_494));
}

#[test]
fn a_step_above_one_that_broke_the_promise_does_not_count() {
    let lucky =
        test(&[step(60_000, 60_000, 9_000), step(20_000, 20_000, 4_000), step(40_000, 40_000, 21_000)]);
    assert_eq!(plan(&lucky, &forecast()).expect("a plan").node_per_s, 10_000);
    let shed = test(&[step(20_000, 20_000, 4_000), step(40_000, 39_599, 9_000)]);
    assert_eq!(
        plan(&shed, &forecast()).expect("a plan").node_per_s,
        10_000,
        "less than 99 in 100 were served"
    );
}

#[test]
fn numbers_that_give_no_plan_say_why() {
    let good = test(&[step(20_000, 20_000, 4_000)]);
    let refused = |test: &LoadTest, forecast: &Forecast| plan(test, forecast).expect_err("no plan");
    assert_eq!(refused(&LoadTest { nodes: 0, ..good.clone() }, &forecast()), CapacityError::NoNodes);
    assert_eq!(refused(&test(&[]), &forecast()), CapacityError::NoGoodStep { p99_max_us: 20_000 });
    assert_eq!(
        refused(&test(&[step(1, 2, 3)]), &forecast()),
        CapacityError::ServedMoreThanOffered { offered_per_s: 1, served_per_s: 2 }
    );
    assert_eq!(
        refused(&test(&[step(1, 1, 3)]), &forecast()),
        CapacityError::NoGoodStep { p99_max_us: 20_000 }
    );
    assert_eq!(refused(&good, &Forecast { peak_per_s: 0, ..forecast() }), CapacityError::NoPeak);
    assert_eq!(refused(&good, &Forecast { room_percent: 101, ..forecast() }), CapacityError::ShareOutOfRange);
    assert_eq!(refused(&good, &Forecast { viewer_per_s: 0, ..forecast() }), CapacityError::ShareOutOfRange);
    assert_eq!(refused(&good, &Forecast { peak_per_s: u64::MAX, ..forecast() }), CapacityError::TooLarge);
    let weightless = vec![TenantShare { name: "north".to_owned(), weight: 0 }];
    assert_eq!(refused(&good, &Forecast { tenants: weightless, ..forecast() }), CapacityError::NoWeight);
}

#[test]
fn files_with_unknown_fields_are_refused() {
    let text = r#"{"nodes":1,"p99_max_us":1000,"steps":[{"offered_per_s":1,"served_per_s":1,"p99_us":1}]}"#;
    assert!(serde_json::from_str::<LoadTest>(text).is_ok());
    assert!(serde_json::from_str::<LoadTest>(&text.replace("nodes", "nods")).is_err());
}
