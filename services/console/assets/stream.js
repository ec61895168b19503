// What happens in the room, as it happens. The browser resumes by itself where the connection broke off.

/** Gifts remembered, so that one sent again shows nothing again. */
const SEEN_MAX = 1_000;
const REOPEN_MS = 3_000;

/**
 * Watches a room. `hear.gift(event)` is called once per gift, `hear.returned(event)` when coins of a gift go or have
 * gone back, `hear.state(state)` with `live`, `waiting` or `lost`.
 */
export function watchRoom(roomId, hear) {
  const seen = new Set();
  const take = (message) => {
    let event;
    try {
      event = JSON.parse(message.data);
    } catch {
      return; // Not an event of ours.
    }
    const kind = event.type ?? event.kind;
    if (kind === "refunding" || kind === "refunded") {
      hear.returned({ ...event, kind });
    } else if (kind === "gift" && !seen.has(event.order_id)) {
      seen.add(event.order_id);
      if (seen.size > SEEN_MAX) seen.delete(seen.values().next().value);
      hear.gift(event);
    }
  };
  const open = () => {
    const source = new EventSource(`/v1/rooms/${roomId}/events`);
    source.addEventListener("open", () => hear.state("live"));
    source.addEventListener("message", take);
    source.addEventListener("gift", take);
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) {
        hear.state("waiting");
        return;
      }
      hear.state("lost"); // The server said no: the browser does not come back by itself.
      source.close();
      setTimeout(open, REOPEN_MS * (0.7 + Math.random() * 0.6));
    });
  };
  open();
}
