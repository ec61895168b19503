//! No log has a gap: in each partition the rows are 1 to the head's last seq, each once.

use crate::snapshot::{Schema, Snapshot};
use crate::{Invariant, OFFENDERS_MAX};
use contracts::log::LogName;
use sqlx::Row;

pub(crate) async fn prove(snapshot: &mut Snapshot) -> Result<Vec<Invariant>, sqlx::Error> {
    let mut lines = Vec::new();
    for log in LogName::ALL {
        let schema = Schema::of(log);
        if !snapshot.has(&[schema]) {
            continue;
        }
        let (schema, table) = (schema.name(), log.as_str().rsplit('.').next().unwrap_or_default());
        let counted = format!(
            "SELECT coalesce(r.partition, h.partition) AS partition, coalesce(r.rows, 0) AS rows,
                    coalesce(r.seqs, 0) AS seqs, coalesce(r.first, 0) AS first, coalesce(r.last, 0) AS last,
                    coalesce(h.last_seq, 0) AS head
             FROM (SELECT partition, count(*) AS rows, count(DISTINCT seq) AS seqs, min(seq) AS first,
                          max(seq) AS last FROM {{{schema}}}.{table} GROUP BY partition) r
             FULL JOIN (SELECT partition, last_seq FROM {{{schema}}}.log_heads WHERE log = '{log}') h
                 ON h.partition = r.partition"
        );
        let faulty = format!(
            "SELECT format('partition %s: %s rows, %s seqs from %s to %s, head at %s', partition, rows, seqs,
                           first, last, head)
             FROM ({counted}) c
             WHERE rows <> head OR seqs <> head OR last <> head OR first <> least(head, 1)
             ORDER BY partition LIMIT {OFFENDERS_MAX}"
        );
        let totals = snapshot
            .rows(&format!(
                "SELECT coalesce(sum(rows), 0)::bigint AS rows, count(*) FILTER (WHERE head > 0) AS used
                 FROM ({counted}) c"
            ))
            .await?;
        let figure = match totals.first() {
            Some(row) => format!(
                "{} rows in {} partitions",
                row.try_get::<i64, _>("rows")?,
                row.try_get::<i64, _>("used")?
            ),
            None => "no rows".to_owned(),
        };
        let detail = snapshot.lines(&faulty).await?;
        let name = format!("no-gap-in-{}", log.as_str().replace('.', "-"));
        lines.push(Invariant::without_offenders(&name, figure, detail));
    }
    Ok(lines)
}
