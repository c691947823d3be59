"""Who approved what: a word for a plan covers each key, edition and due time, and outlives a re-plan."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, case, exists, func, literal, select

from orchestrator.store.engine import insert_into
from orchestrator.store.errors import StoreError
from orchestrator.store.tables import EPOCH, approvals, approved, deliveries, editions, placements, plans


class PlanRefused(StoreError):
    """This plan cannot be stored, or this approval not given."""


@dataclass(frozen=True, slots=True)
class Given:
    """Where the approval of one plan stands."""

    campaign: str
    plan_hash: str
    needed: int
    by: tuple[str, ...]
    placements: int  #: that still wait
    first_due_at: datetime | None  #: of those

    @property
    def complete(self) -> bool:
        return self.placements == 0


def waiting(connection: Connection) -> list[Given]:
    """The plans with placements that may not leave until somebody approves them."""
    query = (
        select(plans.c.campaign)
        .join(placements, placements.c.plan_id == plans.c.id)
        .join(editions, editions.c.id == placements.c.edition_id)
        .where(plans.c.ready, unsettled(), ~is_approved())
        .distinct()
        .order_by(plans.c.campaign)
    )
    return [given(connection, campaign) for campaign in connection.execute(query).scalars().all()]


def approve(
    connection: Connection,
    campaign: str,
    plan_hash: str,
    by: str,
    now: datetime,
    *,
    advisory: bool = True,
) -> Given:
    """One person's word for the campaign's plan as it stands; `plan_hash` may be its first six letters.

    It covers each placement's key, edition and due time: a later plan keeps it wherever these are the same.
    """
    plan = connection.execute(select(plans).where(plans.c.id == latest(campaign))).one_or_none()
    if plan is None:
        raise PlanRefused(f"{campaign}: there is no plan; run `silkpost apply` first")
    if len(plan_hash) < 6 or not plan.hash.startswith(plan_hash):
        raise PlanRefused(
            f'{campaign}: plan "{plan_hash}" is not the one that stands; that is {plan.hash[:6]}: '
            "look at it with `silkpost plan`, then approve it"
        )
    if not by.strip():
        raise PlanRefused(f"{campaign}: nobody is named as the one who approves; write --by NAME")
    if plan.approvals > 1 and by == plan.by:
        raise PlanRefused(
            f"{campaign}: {by} wrote this plan, and approval.by asks for {plan.approvals} others"
        )
    word = {"campaign": campaign, "plan_hash": plan.hash, "by": by, "advisory": advisory, "approved_at": now}
    connection.execute(insert_into(connection, approvals).values(**word).on_conflict_do_nothing())
    approval_id = connection.execute(
        select(approvals.c.id).where(
            approvals.c.campaign == campaign, approvals.c.plan_hash == plan.hash, approvals.c.by == by
        )
    ).scalar_one()
    covered = select(
        placements.c.id, editions.c.hash, approved_due(), literal(approval_id, approvals.c.id.type)
    )
    covered = of_campaign(covered, campaign).where(placements.c.removed_at.is_(None))
    names = ["placement_id", "edition_hash", "due_at", "approval_id"]
    written = insert_into(connection, approved).from_select(names, covered)
    connection.execute(written.on_conflict_do_nothing())
    return given(connection, campaign)


def given(connection: Connection, campaign: str) -> Given:
    plan = connection.execute(select(plans).where(plans.c.id == latest(campaign))).one()
    by = select(approvals.c.by).where(approvals.c.campaign == campaign, approvals.c.plan_hash == plan.hash)
    query = of_campaign(select(func.count(), func.min(placements.c.due_at)), campaign)
    n, first = connection.execute(query.where(unsettled(), ~is_approved())).one()
    names = tuple(connection.execute(by.order_by(approvals.c.id)).scalars())
    return Given(campaign, plan.hash, plan.approvals, names, n, first)


def is_approved() -> Any:
    """Enough people said yes to this placement's key, edition and due time."""
    people = (
        select(func.count(approvals.c.by.distinct()))
        .select_from(approved.join(approvals, approvals.c.id == approved.c.approval_id))
        .where(
            approved.c.placement_id == placements.c.id,
            approved.c.edition_hash == editions.c.hash,
            approved.c.due_at == approved_due(),
        )
        .correlate(placements, editions)
        .scalar_subquery()
    )
    return people >= plans.c.approvals


def unsettled() -> Any:
    """The placement still has something that may leave."""
    theirs = deliveries.c.placement_id == placements.c.id, deliveries.c.state == "planned"
    return and_(placements.c.removed_at.is_(None), exists().where(*theirs))


def approved_due() -> Any:
    """What an approval remembers of the due time: 1970 for what waits for a trigger."""
    return case(
        (placements.c.trigger != "", literal(EPOCH, placements.c.due_at.type)), else_=placements.c.due_at
    )


def of_campaign(query: Any, campaign: str) -> Any:
    joined = placements.join(editions, editions.c.id == placements.c.edition_id).join(
        plans, plans.c.id == placements.c.plan_id
    )
    return query.select_from(joined).where(placements.c.campaign == campaign)


def latest(campaign: str) -> Any:
    return select(func.max(plans.c.id)).where(plans.c.campaign == campaign, plans.c.ready).scalar_subquery()
