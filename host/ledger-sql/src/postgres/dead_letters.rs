//! The requests of failed deliveries, as a whole: for sealing them again.

use deadpool_postgres::GenericClient;

use super::Result;
use super::values::{get, signed, to_u64};
use integration_host_contract::id::{ConnectionId, DeliveryId};
use integration_host_database::postgres::{execute, rows};
use integration_host_ledger::{DeadLetter, MAX_PAGE};

pub(super) async fn page(
    client: &impl GenericClient,
    after: u64,
    limit: usize,
) -> Result<Vec<DeadLetter>> {
    let found = rows(
        client,
        "SELECT connections.id, deliveries.id, delivery_requests.sealed, delivery_requests.delivery
         FROM delivery_requests
         JOIN deliveries ON deliveries.number = delivery_requests.delivery
         JOIN connections ON connections.number = deliveries.connection
         WHERE delivery_requests.delivery > $1 ORDER BY delivery_requests.delivery LIMIT $2",
        &[&signed(after), &(limit.clamp(1, MAX_PAGE) as i64)],
    )
    .await?;
    found
        .iter()
        .map(|row| {
            Ok(DeadLetter {
                connection_id: ConnectionId::new(get::<String>(row, 0)?),
                delivery_id: DeliveryId::new(get::<String>(row, 1)?),
                sealed: get(row, 2)?,
                place: to_u64(row, 3)?,
            })
        })
        .collect()
}

pub(super) async fn replace(
    client: &impl GenericClient,
    kept: &DeadLetter,
    sealed: &[u8],
) -> Result<()> {
    execute(
        client,
        "UPDATE delivery_requests SET sealed = $3 WHERE delivery = $1 AND sealed = $2",
        &[&signed(kept.place), &kept.sealed, &sealed],
    )
    .await?;
    Ok(())
}
