//! Statistics of time series: segments, trends, projections, sizing. Knows no format and no Kubernetes.
