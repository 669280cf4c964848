"""`./shopnow down`, after a service was killed; no other test of the stack can run after it."""

import psutil

from shopnow.local_stack import marked_processes, supervision


def test_down_leaves_no_process_and_keeps_the_data(demo, shopnow, settings, as_json, versions, broken_checks):
    before = versions()
    [scheduler] = [
        psutil.Process(process.pid)
        for process in supervision.list_processes(settings)
        if process.name == "airflow-scheduler"
    ]
    workers = scheduler.children(recursive=True)
    scheduler.kill()
    shopnow("down")
    assert supervision.list_stack_processes(settings) == []
    assert workers
    assert not [worker for worker in workers if marked_processes.is_alive(worker)]
    assert {service["state"] for service in as_json("status")["services"]} == {"stopped"}
    shopnow("down")
    for verb in ("topics", "verify"):
        failed = shopnow(verb, check=False)
        assert failed.returncode == 1
        assert len(failed.stderr.strip().splitlines()) == 1
    shopnow("up", "kafka", "namenode", "datanode")
    assert broken_checks() == []
    assert versions() == before
