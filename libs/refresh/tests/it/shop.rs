//! A small set, a source that can be changed and broken, and nodes that serve it.

use cache::Cache;
use contracts::lane::Lane;
use refresh::{
    Alone, Consumer, ConsumerParts, ConsumerSettings, ConsumerStatus, DataSet, Election, LoadError, Producer,
    ProducerParts, ProducerSettings, ProducerStatus, RowTable, Rows, Rules, SetName, SnapshotSource, Table,
    Versioned,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a test waits for what must happen.
pub const BOUND: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Price {
    pub coins: u64,
}

/// Prices, rooms that refer to them, and a sum that is derived from both.
#[derive(Clone, Debug, Default)]
pub struct Shop {
    pub prices: Table<u32, Price>,
    pub rooms: Table<String, u32>,
    pub sum_coins: u64,
}

impl DataSet for Shop {
    fn table_mut(&mut self, name: &str) -> Option<&mut dyn RowTable> {
        match name {
            "prices" => Some(&mut self.prices),
            "rooms" => Some(&mut self.rooms),
            _ => None,
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        self.sum_coins = self.prices.iter().map(|(_, price)| price.coins).sum();
        let stray = self.rooms.iter().find(|(_, gift)| !self.prices.contains_key(gift));
        stray.map_or(Ok(()), |(room, gift)| Err(format!("the room {room} sells {gift}, which has no price")))
    }
}

/// What a source has.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    pub version: i64,
    pub prices: BTreeMap<u32, u64>,
    pub rooms: BTreeMap<String, u32>,
    pub broken: bool,
}

/// A source in memory that counts how often it is read.
#[derive(Default)]
pub struct Source {
    stock: Mutex<Stock>,
    pub reads: AtomicUsize,
}

impl Source {
    pub fn with_prices(count: u32) -> Arc<Source> {
        let source = Source::default();
        source.change(|stock| stock.prices = (0..count).map(|gift| (gift, u64::from(gift))).collect());
        Arc::new(source)
    }

    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what the source has, and gives the version of it.
    pub fn change(&self, change: impl FnOnce(&mut Stock)) -> i64 {
        let mut stock = self.stock();
        change(&mut stock);
        stock.version += 1;
        stock.version
    }

    pub fn break_it(&self, broken: bool) {
        self.stock().broken = broken;
    }

    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl SnapshotSource<Rows> for Source {
    async fn load(&self, known_version: i64) -> Result<Option<Versioned<Rows>>, LoadError> {
        let stock = self.stock().clone();
        if stock.broken {
            return Err(LoadError::new("the source fell over"));
        }
        if stock.version <= known_version {
            return Ok(None);
        }
        self.reads.fetch_add(1, Ordering::SeqCst);
        Ok(Some(Versioned { version: stock.version, value: rows(&stock)? }))
    }
}

pub fn rows(stock: &Stock) -> Result<Rows, LoadError> {
    let mut rows = Rows::new();
    rows.table("prices")?;
    rows.table("rooms")?;
    for (gift, coins) in &stock.prices {
        rows.put("prices", gift, &Price { coins: *coins })?;
    }
    for (room, gift) in &stock.rooms {
        rows.put("rooms", room, gift)?;
    }
    Ok(rows)
}

/// A set with a name of its own, its cache, and where it comes from.
#[derive(Clone)]
pub struct Market {
    pub set: SetName,
    pub cache: Cache,
    pub source: Arc<Source>,
    pub rules: Rules<Shop>,
    pub producing: ProducerSettings,
    pub consuming: ConsumerSettings,
}

impl Market {
    /// In this process alone.
    pub fn new(prices: u32) -> Market {
        Market::on(Cache::in_process(&Lane::Live), prices)
    }

    pub fn on(cache: Cache, prices: u32) -> Market {
        let name = format!("shop-{}", &uuid::Uuid::now_v7().simple().to_string()[8..]);
        let quick = Duration::from_millis(20);
        Market {
            set: SetName::try_new(&name).expect("a good name"),
            cache,
            source: Source::with_prices(prices),
            rules: Rules::none(),
            producing: ProducerSettings {
                look_every: quick,
                load_gap: Duration::from_millis(1),
                ..ProducerSettings::default()
            },
            consuming: ConsumerSettings {
                look_every: quick,
                delta_spread: Duration::ZERO,
                snapshot_spread: Duration::ZERO,
                report_every: Duration::from_millis(200),
                ..ConsumerSettings::default()
            },
        }
    }

    pub fn alone(&self) -> Arc<dyn Election> {
        Arc::new(Alone::new(self.cache.lane()))
    }

    pub fn produce(&self) -> Producer {
        self.produce_by(self.alone(), "producer")
    }

    pub fn produce_by(&self, election: Arc<dyn Election>, node: &str) -> Producer {
        Producer::start(ProducerParts {
            set: self.set.clone(),
            election,
            cache: self.cache.clone(),
            node: node.to_owned(),
            source: self.source.clone(),
            rules: self.rules.clone(),
            settings: self.producing,
        })
        .expect("good parts")
    }

    pub async fn consume(&self, node: &str) -> Consumer<Shop> {
        self.consume_with(node, None, Rules::none()).await
    }

    pub async fn consume_with(
        &self,
        node: &str,
        disk: Option<PathBuf>,
        rules: Rules<Shop>,
    ) -> Consumer<Shop> {
        let parts = ConsumerParts {
            set: self.set.clone(),
            cache: self.cache.clone(),
            node: node.to_owned(),
            disk,
            rules,
            fallback: None,
            settings: self.consuming,
        };
        Consumer::start(parts).await.expect("good parts")
    }

    /// Changes one price, tells the producer, and gives the version.
    pub async fn reprice(&self, producer: &Producer, gift: u32, coins: u64) -> i64 {
        let version = self.source.change(|stock| {
            stock.prices.insert(gift, coins);
        });
        producer.changed().await;
        version
    }
}

/// Waits until a node serves a version.
pub async fn reaches(consumer: &Consumer<Shop>, version: i64) {
    consumer.wait_for(version, BOUND).await.expect("the version arrives");
}

/// Waits until a consumer's status is as wanted, and gives it.
pub async fn until(consumer: &Consumer<Shop>, wanted: impl Fn(&ConsumerStatus) -> bool) -> ConsumerStatus {
    let mut status = consumer.subscribe();
    let found = tokio::time::timeout(BOUND, status.wait_for(|status| wanted(status))).await;
    found.unwrap_or_else(|_| panic!("still {:?}", consumer.status())).expect("it runs").clone()
}

/// Waits until a producer's status is as wanted, and gives it.
pub async fn until_told(producer: &Producer, wanted: impl Fn(&ProducerStatus) -> bool) -> ProducerStatus {
    let mut status = producer.subscribe();
    let found = tokio::time::timeout(BOUND, status.wait_for(|status| wanted(status))).await;
    found.unwrap_or_else(|_| panic!("still {:?}", producer.status())).expect("it runs").clone()
}

pub fn price(consumer: &Consumer<Shop>, gift: u32) -> Option<u64> {
    consumer.view().value.prices.get(&gift).map(|price| price.coins)
}
