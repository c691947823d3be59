"""The same POSTs as Celery tasks: one worker process, a client kept open, acknowledged after the post."""

from __future__ import annotations

import os
import sys
from typing import Any

import httpx
from celery import Celery  # type: ignore[import-untyped]

app = Celery("peer", broker=os.environ["BENCH_BROKER"])
app.conf.update(
    task_acks_late=True,  # a task whose worker dies is not lost
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)
http = httpx.Client()


@app.task  # type: ignore[untyped-decorator]
def post(url: str, body: dict[str, Any]) -> None:
    http.post(url, json=body).raise_for_status()


def fill(url: str, posts: int) -> None:
    from bench.peers import body_of

    with app.amqp.producer_pool.acquire() as producer:
        for number in range(posts):
            post.apply_async((url, body_of(number)), producer=producer)


if __name__ == "__main__":
    from bench.celery_peer import fill as fill_queue

    fill_queue(sys.argv[1], int(sys.argv[2]))
