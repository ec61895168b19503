// What happens in the room, as it happens. The browser resumes by itself where the connection broke off.

/** Events remembered, so that one sent again shows nothing again. */
const SEEN_MAX = 1_000;
const REOPEN_MS = 3_000;

/** Calls `onGift(event)` once per gift, and `onState(state)` with `live`, `waiting` or `lost`. */
export function watchRoom(roomId, onGift, onState) {
  const seen = new Set();
  const take = (message) => {
    let event;
    try {
      event = JSON.parse(message.data);
    } catch {
      return; // Not an event of ours.
    }
    if (event.kind !== "gift" || seen.has(event.order_id)) return;
    seen.add(event.order_id);
    if (seen.size > SEEN_MAX) seen.delete(seen.values().next().value);
    onGift(event);
  };
  const open = () => {
    const source = new EventSource(`/v1/rooms/${roomId}/events`);
    source.addEventListener("open", () => onState("live"));
    source.addEventListener("message", take);
    source.addEventListener("gift", take);
    source.addEventListener("error", () => {
      if (source.readyState !== EventSource.CLOSED) {
        onState("waiting");
        return;
      }
      onState("lost"); // The server said no: the browser does not come back by itself.
      source.close();
      setTimeout(open, REOPEN_MS * (0.7 + Math.random() * 0.6));
    });
  };
  open();
}
