//! Statistics of time series: segments, trends, projections, sizing. Knows no format and no Kubernetes.

pub mod blocks;
pub mod projection;
pub mod regress;
pub mod season;
pub mod shape;
pub mod sizing;
pub mod stats;
pub mod trend;
