//! Writes TSDB blocks: chunks and index as prometheus/tsdb/docs/format lays them out, plainly, bit by bit. For benches and for
//! tests that want a block of a given size; what real servers write is under `samples/`.

/// Label pairs and samples of one series.
pub struct Row {
    pub labels: Vec<(String, String)>,
    pub samples: Vec<(i64, f64)>,
}

fn crc32c(data: &[u8]) -> u32 {
    data.iter().fold(!0u32, |mut c, b| {
        c ^= u32::from(*b);
        for _ in 0..8 {
            c = if c & 1 == 1 { (c >> 1) ^ 0x82f6_3b78 } else { c >> 1 };
        }
        c
    }) ^ !0
}

fn uvarint(mut v: u64, out: &mut Vec<u8>) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn varint(v: i64, out: &mut Vec<u8>) {
    uvarint((v << 1 ^ v >> 63) as u64, out);
}

#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    free: u32,
}

impl Bits {
    fn put(&mut self, v: u64, n: u32) {
        for i in (0..n).rev() {
            if self.free == 0 {
                self.out.push(0);
                self.free = 8;
            }
            self.free -= 1;
            if let Some(last) = self.out.last_mut() {
                *last |= ((v >> i & 1) as u8) << self.free;
            }
        }
    }
}

/// The data of an XOR chunk of at most 120 samples.
pub fn chunk(samples: &[(i64, f64)]) -> Vec<u8> {
    let mut head = (samples.len() as u16).to_be_bytes().to_vec();
    let mut bits = Bits::default();
    let (mut t0, mut d0, mut v0) = (0i64, 0i64, 0u64);
    for (i, &(t, v)) in samples.iter().enumerate() {
        let v = v.to_bits();
        if i == 0 {
            varint(t, &mut head);
            head.extend(v.to_be_bytes());
            (t0, v0) = (t, v);
            continue;
        }
        let d = t - t0;
        if i == 1 {
            let mut bytes = Vec::new();
            uvarint(d as u64, &mut bytes);
            bytes.iter().for_each(|b| bits.put(u64::from(*b), 8));
        } else {
            match d - d0 {
                0 => bits.put(0, 1),
                x if (-8191..=8192).contains(&x) => bits.put(0b10 << 14 | x as u64 & 0x3fff, 16),
                x if (-65_535..=65_536).contains(&x) => bits.put(0b110 << 17 | x as u64 & 0x1_ffff, 20),
                x => {
                    bits.put(0b1111, 4);
                    bits.put(x as u64, 64);
                }
            }
        }
        let x = v ^ v0;
        if x == 0 {
            bits.put(0, 1);
        } else {
            let (lead, trail) = (x.leading_zeros().min(31), x.trailing_zeros());
            let size = 64 - lead - trail;
            bits.put(0b11, 2);
            bits.put(u64::from(lead), 5);
            bits.put(u64::from(size & 63), 6);
            bits.put(x >> trail, size);
        }
        (t0, d0, v0) = (t, d, v);
    }
    head.extend(bits.out);
    head
}

/// `chunks/000001` and `index` of a block.
pub fn block(rows: &[Row]) -> (Vec<u8>, Vec<u8>) {
    let mut chunks = vec![0x85, 0xbd, 0x40, 0xdd, 1, 0, 0, 0];
    let mut symbols: Vec<&str> = rows.iter().flat_map(|r| r.labels.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()])).collect();
    symbols.sort_unstable();
    symbols.dedup();
    let mut index = vec![0xba, 0xaa, 0xd7, 0x00, 2];
    let symbols_at = index.len() as u64;
    let mut body = (symbols.len() as u32).to_be_bytes().to_vec();
    for s in &symbols {
        uvarint(s.len() as u64, &mut body);
        body.extend(s.as_bytes());
    }
    sealed(&mut index, &body);
    while index.len() % 16 != 0 {
        index.push(0);
    }
    let series_at = index.len() as u64;
    for row in rows {
        while index.len() % 16 != 0 {
            index.push(0);
        }
        let mut body = Vec::new();
        uvarint(row.labels.len() as u64, &mut body);
        for (k, v) in &row.labels {
            for word in [k, v] {
                uvarint(symbols.binary_search(&word.as_str()).unwrap_or(0) as u64, &mut body);
            }
        }
        let parts: Vec<&[(i64, f64)]> = row.samples.chunks(120).collect();
        uvarint(parts.len() as u64, &mut body);
        let (mut last_time, mut last_place) = (0i64, 0u64);
        for (i, part) in parts.iter().enumerate() {
            let (Some(first), Some(last)) = (part.first(), part.last()) else { continue };
            let place = chunks.len() as u64;
            let data = chunk(part);
            uvarint(data.len() as u64, &mut chunks);
            let from = chunks.len();
            chunks.push(1);
            chunks.extend(&data);
            let sum = crc32c(&chunks[from..]);
            chunks.extend(sum.to_be_bytes());
            if i == 0 {
                varint(first.0, &mut body);
                uvarint((last.0 - first.0) as u64, &mut body);
                uvarint(place, &mut body);
            } else {
                uvarint((first.0 - last_time) as u64, &mut body);
                uvarint((last.0 - first.0) as u64, &mut body);
                varint(place as i64 - last_place as i64, &mut body);
            }
            (last_time, last_place) = (last.0, place);
        }
        uvarint(body.len() as u64, &mut index);
        let sum = crc32c(&body);
        index.extend(&body);
        index.extend(sum.to_be_bytes());
    }
    let after = index.len() as u64;
    let mut toc: Vec<u8> = [symbols_at, series_at, after, after, after, after].iter().flat_map(|v| v.to_be_bytes()).collect();
    toc.extend(crc32c(&toc).to_be_bytes());
    index.extend(toc);
    (chunks, index)
}

fn sealed(out: &mut Vec<u8>, body: &[u8]) {
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(body);
    out.extend(crc32c(body).to_be_bytes());
}
