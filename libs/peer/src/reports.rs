//! Show reports to the gift nodes that keep the orders' partitions.

use crate::calls::{Call, Calls, Optional};
use crate::config::PeerUrl;
use crate::declared::SHOW_REPORTS;
use crate::handles::Handles;
use crate::owner_map::OwnerMap;
use contracts::show::{Durable, REPORTS_MAX, Reports, ShowReport, ShowReports};
use guard::deps::DeclareError;
use ids::{OrderId, Partition};
use std::collections::BTreeMap;

const PATH: &str = "/internal/gift/show-reports";

/// The keepers of orders in other processes.
pub struct RemoteReports {
    map: OwnerMap,
    nodes: Handles<Optional>,
}

impl RemoteReports {
    /// Where gift nodes say what they keep.
    pub const KEPT_PATH: &'static str = "/internal/gift/kept";

    /// Needs a runtime where the list of nodes can change.
    ///
    /// # Errors
    /// [`DeclareError`]: more nodes than a registry takes.
    pub fn try_new(calls: &Calls, map: OwnerMap) -> Result<RemoteReports, DeclareError> {
        let calls = calls.clone();
        let nodes = Handles::follow(map.asked(), move |url| calls.optional(&SHOW_REPORTS, url))?;
        Ok(RemoteReports { map, nodes })
    }

    async fn send(&self, node: &Optional, reports: Vec<ShowReport>) -> Vec<OrderId> {
        let Ok(body) = serde_json::to_vec(&Reports { reports }) else { return Vec::new() };
        let reason = match node.send(Call::post(PATH, body)).await {
            Ok(reply) if reply.status.is_success() => match serde_json::from_slice::<Durable>(&reply.body) {
                Ok(answer) => return answer.durable,
                Err(error) => error.to_string(),
            },
            Ok(reply) => crate::owner_map::said(&reply),
            Err(error) => error.to_string(),
        };
        tracing::debug!(reason, "show reports were not taken; they are sent again");
        self.map.was_wrong();
        Vec::new()
    }
}

#[async_trait::async_trait]
impl ShowReports for RemoteReports {
    async fn report(&self, reports: Vec<ShowReport>) -> Vec<OrderId> {
        let mut of_node: BTreeMap<PeerUrl, Vec<ShowReport>> = BTreeMap::new();
        for report in reports {
            // Without a keeper a report waits where it is, unacknowledged, and is sent again.
            if let Some(node) = self.map.owner(report.order_id.partition()) {
                of_node.entry(node).or_default().push(report);
            }
        }
        let of_node: Vec<_> =
            of_node.into_iter().filter_map(|(url, reports)| Some((self.nodes.of(&url)?, reports))).collect();
        let mut requests = Vec::new();
        for (node, reports) in &of_node {
            requests.extend(reports.chunks(REPORTS_MAX).map(|part| self.send(node, part.to_vec())));
        }
        futures::future::join_all(requests).await.into_iter().flatten().collect()
    }

    fn reaches(&self, partition: Partition) -> bool {
        self.map.owner(partition).is_some()
    }
}
