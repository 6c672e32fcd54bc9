"""Makes answers of clouds' and vendors' metric stores: the first container's real samples of ../prometheus/query_range.json in
the JSON that each store's API documents. Run it in this folder: python3 make.py"""
import datetime
import json

series = json.load(open("../prometheus/query_range.json", encoding="utf-8"))["data"]["result"][0]
owner, samples = series["metric"], [(int(float(t)), int(float(v))) for t, v in series["values"]]
ns, pod, container = owner["namespace"], owner["pod"], owner["container"]
LIMIT = 128 << 20
UID = "26ce2389-73be-4175-8704-bcc741eba5d9"


def iso(t, zone="Z"):
    return datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + zone


def save(name, answer):
    with open(name, "w", encoding="utf-8") as out:
        json.dump(answer, out, indent=1)
        out.write("\n")


# aws cloudwatch get-metric-data, newest first as it answers by default, with the request that was saved beside it.
dimensions = [{"Name": k, "Value": v} for k, v in
              [("ClusterName", "prod"), ("Namespace", ns), ("FullPodName", pod), ("ContainerName", container)]]
save("cloudwatch.json", {
    "MetricDataQueries": [{"Id": "ws", "MetricStat": {
        "Metric": {"Namespace": "ContainerInsights", "MetricName": "container_memory_working_set", "Dimensions": dimensions},
        "Period": 60, "Stat": "Maximum"}}],
    "MetricDataResults": [{"Id": "ws", "Label": "container_memory_working_set", "Timestamps": [iso(t, "+00:00") for t, _ in samples[::-1]],
                           "Values": [float(v) for _, v in samples[::-1]], "StatusCode": "Complete"}], "Messages": []})
# aws cloudwatch get-metric-data with label ${PROP('Dim.Namespace')}/${PROP('Dim.FullPodName')}/${PROP('Dim.ContainerName')}.
save("cloudwatch-labels.json", {
    "MetricDataResults": [{"Id": "ws", "Label": f"container_memory_working_set {ns}/{pod}/{container}",
                           "Timestamps": [iso(t) for t, _ in samples], "Values": [v for _, v in samples],
                           "StatusCode": "Complete"}], "Messages": []})
# projects.timeSeries.list, newest first, memory as two series and the limit.
resource = {"type": "k8s_container", "labels": {"project_id": "example", "location": "europe-west1", "cluster_name": "prod",
                                                "namespace_name": ns, "pod_name": pod, "container_name": container}}


def google(kind, labels, points):
    return {"metric": {"labels": labels, "type": f"kubernetes.io/container/memory/{kind}"}, "resource": resource,
            "metricKind": "GAUGE", "valueType": "INT64",
            "points": [{"interval": {"startTime": iso(t), "endTime": iso(t)}, "value": {"int64Value": str(v)}}
                       for t, v in points[::-1]]}


save("google.json", {"timeSeries": [google("used_bytes", {"memory_type": "non-evictable"}, samples),
                                    google("used_bytes", {"memory_type": "evictable"}, [(t, 4 << 20) for t, _ in samples]),
                                    google("limit_bytes", {}, [(t, LIMIT) for t, _ in samples])], "unit": "By"})
# az monitor metrics list, of the node: Azure's platform metrics know no container.
save("azure.json", {
    "cost": 0, "interval": "0:01:00", "namespace": "Microsoft.ContainerService/managedClusters", "resourceregion": "westeurope",
    "timespan": f"{iso(samples[0][0])}/{iso(samples[-1][0])}",
    "value": [{"displayDescription": "Container working set memory used in bytes", "errorCode": "Success",
               "id": "/subscriptions/0/providers/Microsoft.ContainerService/managedClusters/prod/providers/Microsoft.Insights/metrics/node_memory_working_set_bytes",
               "name": {"localizedValue": "Memory Working Set Bytes", "value": "node_memory_working_set_bytes"},
               "resourceGroup": "rg", "type": "Microsoft.Insights/metrics", "unit": "Bytes",
               "timeseries": [{"data": [{"timeStamp": iso(t), "average": float(v)} for t, v in samples],
                               "metadatavalues": [{"name": {"localizedValue": "node", "value": "node"}, "value": "aks-pool-1"}]}]}]})
# az monitor log-analytics query of Container insights' table Perf.
instance = f"/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod/{UID}/{container}"
save("azure-perf.json", [{"Computer": "aks-pool-1", "CounterName": "memoryWorkingSetBytes", "CounterValue": str(float(v)),
                          "InstanceName": instance, "ObjectName": "K8SContainer", "TableName": "PrimaryResult",
                          "TimeGenerated": iso(t)} for t, v in samples])
# Datadog's /api/v1/query, a bucket without a value among them.
tags = [f"kube_namespace:{ns}", f"pod_name:{pod}", f"kube_container_name:{container}"]
save("datadog.json", {
    "status": "ok", "res_type": "time_series", "resp_version": 1,
    "query": "max:kubernetes.memory.working_set{kube_namespace:shop} by {kube_namespace,pod_name,kube_container_name}",
    "from_date": samples[0][0] * 1000, "to_date": samples[-1][0] * 1000, "error": "", "message": "", "group_by": [],
    "series": [{"unit": [{"family": "bytes", "id": 2, "name": "byte", "short_name": "B", "plural": "bytes", "scale_factor": 1.0}, None],
                "query_index": 0, "aggr": "max", "metric": "kubernetes.memory.working_set", "tag_set": tags,
                "expression": "max:kubernetes.memory.working_set{…}", "scope": ",".join(tags), "interval": 2, "length": len(samples) + 1,
                "pointlist": [[t * 1000.0, float(v)] for t, v in samples] + [[(samples[-1][0] + 2) * 1000.0, None]]}]})
