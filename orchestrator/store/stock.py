"""What a campaign had to sell, and whether it is gone: counted from the orders credited to it."""

from __future__ import annotations

from sqlalchemy import Connection, select, text

from orchestrator.store.tables import plans

_SOLD = text(
    "SELECT p.campaign, SUM(CASE WHEN r.kind = 'order' THEN r.n ELSE -r.n END) FROM rollups r"
    " JOIN placements p ON p.id = r.placement_id WHERE r.kind IN ('order', 'refund') GROUP BY p.campaign"
)


def sold_out(connection: Connection) -> dict[str, list[str]]:
    """Campaigns whose orders have used up the offer's stock, each with its markets."""
    latest = select(plans.c.campaign, plans.c.summary).where(plans.c.ready).order_by(plans.c.id)
    offered = {campaign: summary for campaign, summary in connection.execute(latest) if summary.get("stock")}
    if not offered:
        return {}
    sold: dict[str, int] = dict(connection.execute(_SOLD).all())
    return {
        campaign: list(summary["markets"])
        for campaign, summary in offered.items()
        if sold.get(campaign, 0) >= summary["stock"]
    }
