"""What a program with the official Python client does: every verb, and an informer that outlives the server.

Called with the kubeconfig. Where the server is to be killed and started again, this prints `restart` and waits for a line.
Ends with 0 when all went as it should.
"""

import sys
import threading
import time

import urllib3
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

NAMESPACE = "default"
PATIENCE = 60


def config_map(name, **data):
    metadata = client.V1ObjectMeta(name=name, labels={"watched": "yes"})
    return client.V1ConfigMap(metadata=metadata, data=data)


def refused(code, reason, call, *arguments, **options):
    """The call must fail so."""
    try:
        call(*arguments, **options)
    except ApiException as problem:
        assert problem.status == code, problem
        body = problem.body.decode() if isinstance(problem.body, bytes) else problem.body
        assert f'"reason":"{reason}"' in body.replace(" ", ""), body
    else:
        raise AssertionError(f"{call.__name__} is not refused")


class Informer(threading.Thread):
    """Lists and watches the ConfigMaps labelled `watched`, from where it was after every loss of connection."""

    def __init__(self, api):
        super().__init__(daemon=True)
        self.api = api
        self.store = {}
        self.lists = 0

    def run(self):
        revision = None
        options = {"namespace": NAMESPACE, "label_selector": "watched=yes"}
        while True:
            try:
                if revision is None:
                    found = self.api.list_namespaced_config_map(**options)
                    self.store = {item.metadata.name: item.metadata.resource_version for item in found.items}
                    self.lists += 1
                    revision = found.metadata.resource_version
                stream = watch.Watch().stream(
                    self.api.list_namespaced_config_map, resource_version=revision, timeout_seconds=30, **options
                )
                for event in stream:
                    metadata = event["object"].metadata
                    assert int(metadata.resource_version) > int(revision), "events go forward"
                    revision = metadata.resource_version
                    if event["type"] == "DELETED":
                        del self.store[metadata.name]
                    else:
                        assert (event["type"] == "ADDED") == (metadata.name not in self.store), event
                        self.store[metadata.name] = revision
            except ApiException as problem:
                assert problem.status == 410, problem
                revision = None
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)


def listed(api):
    found = api.list_namespaced_config_map(NAMESPACE, label_selector="watched=yes").items
    return {item.metadata.name: item.metadata.resource_version for item in found}


def agree(api, informer):
    """The informer comes to know what a list gives."""
    end = time.monotonic() + PATIENCE
    while informer.store != listed(api):
        assert informer.is_alive(), "the informer goes on"
        assert time.monotonic() < end, f"{informer.store} is not {listed(api)}"
        time.sleep(0.02)


def verbs(core, apps):
    """Create, read, list, patch, replace and delete."""
    created = core.create_namespaced_config_map(NAMESPACE, config_map("one", a="1"))
    assert created.metadata.uid and created.metadata.creation_timestamp is not None
    refused(409, "AlreadyExists", core.create_namespaced_config_map, NAMESPACE, config_map("one"))
    patched = core.patch_namespaced_config_map("one", NAMESPACE, {"data": {"b": "2"}})
    assert patched.data == {"a": "1", "b": "2"}
    operations = [{"op": "remove", "path": "/data/a"}]
    assert core.patch_namespaced_config_map("one", NAMESPACE, operations).data == {"b": "2"}
    refused(409, "Conflict", core.replace_namespaced_config_map, "one", NAMESPACE, created)
    patched = core.read_namespaced_config_map("one", NAMESPACE)
    patched.data = {"c": "3"}
    assert core.replace_namespaced_config_map("one", NAMESPACE, patched).data == {"c": "3"}

    for number in range(5):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"page-{number}"))
    names, token = [], None
    while token != "":
        page = core.list_namespaced_config_map(NAMESPACE, label_selector="watched=yes", limit=2, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue or ""
    assert names == ["one"] + [f"page-{number}" for number in range(5)], names

    labels = {"app": "web"}
    container = client.V1Container(name="web", image="nginx:1.27")
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(replicas=2, selector=client.V1LabelSelector(match_labels=labels), template=template)
    deployment = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
    apps.create_namespaced_deployment(NAMESPACE, deployment)
    for event in watch.Watch().stream(apps.list_namespaced_deployment, NAMESPACE, timeout_seconds=PATIENCE):
        if event["object"].status.ready_replicas == 2:
            break
    else:
        raise AssertionError("the Deployment gets ready")
    more = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "busybox:1.36"}]}}}}
    patched = apps.patch_namespaced_deployment("web", NAMESPACE, more)
    assert sorted(c.name for c in patched.spec.template.spec.containers) == ["side", "web"], "merged by name"
    apps.patch_namespaced_deployment_scale("web", NAMESPACE, {"spec": {"replicas": 1}})
    assert apps.read_namespaced_deployment_scale("web", NAMESPACE).spec.replicas == 1
    apps.delete_namespaced_deployment("web", NAMESPACE)


def applying(core):
    """Server-side apply, with the client that learns from discovery what there is."""
    resource = DynamicClient(core.api_client).resources.get(api_version="v1", kind="ConfigMap")

    def apply(manager, data, force=False):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": data}
        resource.server_side_apply(body=body, namespace=NAMESPACE, field_manager=manager, force_conflicts=force)
        return core.read_namespaced_config_map("applied", NAMESPACE)

    apply("first", {"a": "1", "b": "1"})
    refused(409, "Conflict", apply, "second", {"a": "2"})
    applied = apply("second", {"a": "2"}, force=True)
    assert applied.data == {"a": "2", "b": "1"}, applied.data
    managers = {entry.manager: entry.operation for entry in applied.metadata.managed_fields}
    assert managers == {"first": "Apply", "second": "Apply"}, managers
    assert apply("first", {}).data == {"a": "2"}, "what is applied no longer goes away"


def restart(core, informer):
    """The informer misses nothing of what happens around a crash."""
    agree(core, informer)
    for number in range(20):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"before-{number}", a="1"))
        if number % 2:
            core.patch_namespaced_config_map(f"before-{number}", NAMESPACE, {"data": {"a": "2"}})
    core.delete_namespaced_config_map("before-0", NAMESPACE)
    core.patch_namespaced_config_map("before-1", NAMESPACE, {"metadata": {"labels": {"watched": "no"}}})
    written = listed(core)
    assert "before-0" not in written and "before-1" not in written and len(written) == 24, written

    print("restart", flush=True)
    sys.stdin.readline()
    end = time.monotonic() + PATIENCE
    while True:
        try:
            assert listed(core) == written, "nothing that was acknowledged is lost"
            break
        except urllib3.exceptions.HTTPError:
            assert time.monotonic() < end
    agree(core, informer)
    for number in range(10):
        core.create_namespaced_config_map(NAMESPACE, config_map(f"after-{number}"))
        core.patch_namespaced_config_map(f"before-{number + 2}", NAMESPACE, {"data": {"a": "3"}})
    core.delete_namespaced_config_map("after-0", NAMESPACE)
    agree(core, informer)
    assert informer.lists <= 3, f"{informer.lists} lists: events are what keeps it informed"


def main():
    config.load_kube_config(sys.argv[1])
    core, apps = client.CoreV1Api(), client.AppsV1Api()
    informer = Informer(client.CoreV1Api(client.ApiClient()))
    informer.start()
    verbs(core, apps)
    applying(core)
    restart(core, informer)
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="watched=yes")
    agree(core, informer)
    assert informer.store == {}
    core.delete_namespaced_config_map("applied", NAMESPACE)
    refused(404, "NotFound", core.read_namespaced_config_map, "applied", NAMESPACE)


main()
