// Makes Grafana's exports of a Prometheus answer with Grafana's own code (npm i @grafana/data@13 react react-dom), as its panel
// inspector does: node make.js ../prometheus/query_range.json . [LEGEND]
// Its number formats ask the browser's language.
globalThis.navigator = { language: process.env.BROWSER || 'en-US', languages: [process.env.BROWSER || 'en-US'] };
const fs = require('fs');
const g = require('@grafana/data');
const answer = JSON.parse(fs.readFileSync(process.argv[2], 'utf8')).data.result.slice(0, 2);
const out = process.argv[3];
const legend = process.argv[4];
const json = answer.map((s) => ({
  schema: {
    refId: 'A',
    meta: { type: 'timeseries-multi', typeVersion: [0, 1], custom: { resultType: 'matrix' }, executedQueryString: 'Expr: container_memory_working_set_bytes{namespace="shop"}\nStep: 2s' },
    fields: [
      { name: 'Time', type: 'time', typeInfo: { frame: 'time.Time' }, config: { interval: 2000 } },
      { name: 'Value', type: 'number', typeInfo: { frame: 'float64' }, labels: s.metric, config: { displayNameFromDS: legend && g.renderLegendFormat(legend, s.metric) } },
    ],
  },
  data: { values: [s.values.map((v) => Math.round(v[0] * 1000)), s.values.map((v) => Number(v[1]))] },
}));
const frames = () => json.map((j) => g.dataFrameFromJSON(JSON.parse(JSON.stringify(j))));
const raw = (f) => g.applyRawFieldOverrides(f);
const united = (f, unit) => (f.forEach((x) => x.fields.forEach((c) => { if (c.type === 'number') c.config = { ...c.config, unit }; })), f);
const formatted = (f, timeZone, unit) => g.applyFieldOverrides({ data: united(f, unit), theme: g.createTheme(), fieldConfig: { defaults: { unit }, overrides: [] }, timeZone, replaceVariables: (v) => v });
// The inspector puts a byte order mark before every download.
const csv = (f, excel) => '\ufeff' + g.toCSV(f, { useExcelHeader: excel });
const joined = (f) => [g.outerJoinDataFrames({ frames: f, keepDisplayNames: true })];
const save = (n, t) => fs.writeFileSync(`${out}/${n}`, t);
save('raw-joined.csv', csv(joined(raw(frames())), false));
save('raw-first.csv', csv([raw(frames())[0]], false));
save('formatted-joined.csv', csv(formatted(joined(frames()), 'utc', 'bytes'), false));
save('formatted-berlin-excel.csv', csv(formatted(joined(frames()), 'Europe/Berlin', 'bytes'), true));
save('formatted-decbytes.csv', csv(formatted(joined(frames()), 'utc', 'decbytes'), false));
save('export-frames.json', JSON.stringify(frames().map((f) => g.dataFrameToJSON(f)), null, 2));
save('panel-data.json', JSON.stringify({ state: 'Done', series: formatted(frames(), 'utc', 'bytes').map((f) => ({ ...g.toDataFrameDTO(f) })), annotations: [] }, null, 2));
save('inspector.json', JSON.stringify({ request: { url: 'api/ds/query?ds_type=prometheus', method: 'POST' }, response: { results: { A: { status: 200, frames: json, refId: 'A' } } } }, null, 2));
