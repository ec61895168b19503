//! What a read costs: one price out of 10,000, beside a lock around a map, the bare pointer exchange, and left-right.

use arc_swap::ArcSwap;
use criterion::{Criterion, criterion_group, criterion_main};
use left_right::{Absorb, ReadHandle};
use refresh::{Snapshot, Table, Versioned};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, RwLock};

const ROWS: u32 = 10_000;

/// The operation that left-right wants: put a row.
struct Put(u32, u64);

#[derive(Default, Clone)]
struct Prices(HashMap<u32, u64>);

impl Absorb<Put> for Prices {
    fn absorb_first(&mut self, Put(gift, coins): &mut Put, _: &Self) {
        self.0.insert(*gift, *coins);
    }
    fn sync_with(&mut self, first: &Self) {
        self.0.clone_from(&first.0);
    }
}

fn table() -> Table<u32, u64> {
    let mut table = Table::default();
    for gift in 0..ROWS {
        table.insert(gift, u64::from(gift));
    }
    table
}

fn next(at: &mut u32) -> u32 {
    *at = (*at + 7_919) % ROWS;
    *at
}

fn one_price(c: &mut Criterion) {
    let map: HashMap<u32, u64> = (0..ROWS).map(|gift| (gift, u64::from(gift))).collect();
    let mut group = c.benchmark_group("one price of 10,000");
    let mut at = 0;

    let snapshot = Snapshot::new(Versioned { version: 1, value: table() });
    let mut reader = snapshot.reader();
    group.bench_function("refresh, Reader::get", |b| {
        b.iter(|| black_box(**reader.get().value.get(&next(&mut at)).expect("a price")))
    });
    group.bench_function("refresh, Snapshot::get", |b| {
        b.iter(|| black_box(**snapshot.get().value.get(&next(&mut at)).expect("a price")))
    });

    let locked = RwLock::new(map.clone());
    group.bench_function("anchor: RwLock<HashMap>", |b| {
        b.iter(|| black_box(*locked.read().expect("no poison").get(&next(&mut at)).expect("a price")))
    });
    let swapped = ArcSwap::from_pointee(map.clone());
    group.bench_function("anchor: ArcSwap<HashMap>", |b| {
        b.iter(|| black_box(*swapped.load().get(&next(&mut at)).expect("a price")))
    });
    let (mut writer, handle): (_, ReadHandle<Prices>) = left_right::new::<Prices, Put>();
    for (gift, coins) in &map {
        writer.append(Put(*gift, *coins));
    }
    writer.publish();
    group.bench_function("anchor: left-right HashMap", |b| {
        b.iter(|| black_box(*handle.enter().expect("open").0.get(&next(&mut at)).expect("a price")))
    });
    group.finish();
}

/// The pointer alone: what a version costs before any row is looked up.
fn one_version(c: &mut Criterion) {
    let mut group = c.benchmark_group("the version in use");
    let snapshot = Snapshot::new(Versioned { version: 1, value: table() });
    let mut reader = snapshot.reader();
    group.bench_function("refresh, Reader::get", |b| b.iter(|| black_box(reader.get().version)));
    group.bench_function("refresh, Snapshot::get", |b| b.iter(|| black_box(snapshot.get().version)));
    let locked = RwLock::new(Arc::new(1_i64));
    group.bench_function("anchor: RwLock<Arc>", |b| {
        b.iter(|| black_box(*Arc::clone(&locked.read().expect("no poison"))))
    });
    group.finish();
}

/// One row of 10,000 changes: what a node pays to have the next version beside the one it serves.
fn one_row(c: &mut Criterion) {
    let mut group = c.benchmark_group("a version with one other row");
    let (table, mut at) = (table(), 0);
    group.bench_function("refresh, Table", |b| {
        b.iter(|| {
            let mut next_version = table.clone();
            next_version.insert(next(&mut at), 1);
            next_version
        })
    });
    let map: HashMap<u32, Arc<u64>> = (0..ROWS).map(|gift| (gift, Arc::new(u64::from(gift)))).collect();
    group.bench_function("anchor: a copied HashMap of Arcs", |b| {
        b.iter(|| {
            let mut next_version = map.clone();
            next_version.insert(next(&mut at), Arc::new(1));
            next_version
        })
    });
    group.finish();
}

criterion_group!(benches, one_price, one_version, one_row);
criterion_main!(benches);
