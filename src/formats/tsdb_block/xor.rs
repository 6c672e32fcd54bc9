//! XOR chunks ("Gorilla" as Prometheus lays it out): delta-of-delta times with 14, 17, 20 or 64 bits, values as the
//! changed middle bits of their XOR. Spec: prometheus/tsdb/docs/format/chunks.md. Hot: about a nanosecond per bit field.

use super::cursor::Cursor;

struct Bits<'a> {
    data: &'a [u8],
    pos: usize,
    /// Unread bits, from the top.
    buf: u64,
    left: u32,
}

impl<'a> Bits<'a> {
    #[inline(always)]
    fn refill(&mut self) {
        if let Some(w) = self.data.get(self.pos..self.pos + 8).and_then(|w| w.try_into().ok()) {
            let w = u64::from_be_bytes(w);
            self.buf |= w >> self.left;
            let bytes = (63 - self.left) / 8;
            self.pos += bytes as usize;
            self.left += bytes * 8;
            // Bits beyond the whole bytes taken are seen again with the next refill.
            self.buf &= !(u64::MAX >> 1 >> (self.left - 1));
        } else {
            while self.left <= 56 {
                let Some(&b) = self.data.get(self.pos) else { return };
                self.buf |= u64::from(b) << (56 - self.left);
                self.left += 8;
                self.pos += 1;
            }
        }
    }

    /// At least `n` (up to 56) bits are at hand.
    #[inline(always)]
    fn need(&mut self, n: u32) -> Option<()> {
        if self.left < n {
            self.refill();
            if self.left < n {
                return None;
            }
        }
        Some(())
    }

    /// The next `n` bits, 1..=56.
    #[inline(always)]
    fn take(&mut self, n: u32) -> Option<u64> {
        self.need(n)?;
        let v = self.buf >> (64 - n);
        self.buf <<= n;
        self.left -= n;
        Some(v)
    }

    #[inline(always)]
    fn wide(&mut self, n: u32) -> Option<u64> {
        if n <= 56 {
            return self.take(n);
        }
        let high = self.take(n - 32)?;
        Some(high << 32 | self.take(32)?)
    }

    fn uvarint(&mut self) -> Option<u64> {
        let mut v = 0u64;
        for shift in (0..64).step_by(7) {
            let b = self.take(8)?;
            v |= (b & 0x7f) << shift;
            if b < 0x80 {
                return Some(v);
            }
        }
        None
    }

    /// Delta of delta.
    #[inline(always)]
    fn delta(&mut self) -> Option<i64> {
        self.need(4).or_else(|| self.need(1))?;
        let ones = (!self.buf).leading_zeros().min(4);
        let size = match ones {
            0 => {
                self.take(1)?;
                return Some(0);
            }
            1 => 14,
            2 => 17,
            3 => 20,
            _ => 64,
        };
        self.take((ones + 1).min(4))?;
        let v = self.wide(size)?;
        if size == 64 {
            return Some(v as i64);
        }
        Some(if v > 1 << (size - 1) { v as i64 - (1 << size) } else { v as i64 })
    }
}

/// Decodes a chunk's data (after its encoding byte) and appends what is good; `Err` gives how many samples are missing.
pub fn decode(data: &[u8], times: &mut Vec<i64>, values: &mut Vec<f64>) -> Result<usize, usize> {
    let mut head = Cursor::new(data);
    let Some(count) = head.u16().map(usize::from) else { return Err(0) };
    let before = times.len();
    // A sample takes at least two bits: a count beyond that is a lie.
    let room = count.min(data.len().saturating_mul(4));
    times.reserve(room);
    values.reserve(room);
    let done = samples(head.rest(), count, times, values);
    let got = times.len() - before;
    if done.is_some() && got == count { Ok(got) } else { Err(count - got) }
}

fn samples(data: &[u8], count: usize, times: &mut Vec<i64>, values: &mut Vec<f64>) -> Option<()> {
    if count == 0 {
        return Some(());
    }
    let mut first = Cursor::new(data);
    let mut t = first.varint()?;
    let mut v = first.u64()?;
    times.push(t);
    values.push(f64::from_bits(v));
    let mut bits = Bits { data: first.rest(), pos: 0, buf: 0, left: 0 };
    let mut delta = 0i64;
    let (mut leading, mut significant) = (0u32, 0u32);
    for i in 1..count {
        delta = if i == 1 { bits.uvarint()? as i64 } else { delta.wrapping_add(bits.delta()?) };
        t = t.wrapping_add(delta);
        if bits.take(1)? == 1 {
            if bits.take(1)? == 1 {
                let both = bits.take(11)?;
                leading = (both >> 6) as u32;
                significant = (both & 0x3f) as u32;
                if significant == 0 {
                    significant = 64;
                }
            }
            if significant == 0 || leading + significant > 64 {
                return None;
            }
            v ^= bits.wide(significant)? << (64 - leading - significant);
        }
        times.push(t);
        values.push(f64::from_bits(v));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plain encoder, bit by bit, to hold the decoder against.
    fn encode(samples: &[(i64, f64)]) -> Vec<u8> {
        let mut bits: Vec<bool> = Vec::new();
        let mut put = |v: u64, n: u32| (0..n).rev().for_each(|i| bits.push(v >> i & 1 == 1));
        put(samples.len() as u64, 16);
        let uvarint = |mut v: u64, put: &mut dyn FnMut(u64, u32)| {
            while v >= 0x80 {
                put(v & 0x7f | 0x80, 8);
                v >>= 7;
            }
            put(v, 8);
        };
        let (mut t0, mut d0, mut v0) = (0i64, 0i64, 0u64);
        for (i, &(t, v)) in samples.iter().enumerate() {
            let v = v.to_bits();
            if i == 0 {
                uvarint((t << 1 ^ t >> 63) as u64, &mut put);
                put(v, 64);
            } else {
                let d = t - t0;
                if i == 1 {
                    uvarint(d as u64, &mut put);
                } else {
                    match d - d0 {
                        0 => put(0, 1),
                        x if (-8191..=8192).contains(&x) => {
                            put(0b10, 2);
                            put(x as u64 & 0x3fff, 14);
                        }
                        x if (-65_535..=65_536).contains(&x) => {
                            put(0b110, 3);
                            put(x as u64 & 0x1_ffff, 17);
                        }
                        x if (-524_287..=524_288).contains(&x) => {
                            put(0b1110, 4);
                            put(x as u64 & 0xf_ffff, 20);
                        }
                        x => {
                            put(0b1111, 4);
                            put(x as u64, 64);
                        }
                    }
                }
                d0 = d;
                let x = v ^ v0;
                if x == 0 {
                    put(0, 1);
                } else {
                    let (l, z) = (x.leading_zeros().min(31), x.trailing_zeros());
                    let s = 64 - l - z;
                    put(0b11, 2);
                    put(u64::from(l), 5);
                    put(u64::from(s & 63), 6);
                    put(x >> z, s);
                }
            }
            (t0, v0) = (t, v);
        }
        bits.chunks(8).map(|c| c.iter().enumerate().fold(0u8, |b, (i, &x)| b | u8::from(x) << (7 - i))).collect()
    }

    #[test]
    fn every_width_of_time_and_value_comes_back() {
        let mut t = 1_795_221_322_310i64;
        let mut samples: Vec<(i64, f64)> = (0..3000)
            .map(|i: i64| {
                t += [1000, 1000, 1001, 9000, 60_000, 400_000, 90_000_000][(i * i % 7) as usize];
                (t, if i % 5 == 0 { 42.0 } else { (i as f64 * 0.77).sin() * 1e9 })
            })
            .collect();
        samples.push((t + 1, f64::from_bits(0x7ff0_0000_0000_0002)));
        let data = encode(&samples);
        let (mut times, mut values) = (Vec::new(), Vec::new());
        assert_eq!(decode(&data, &mut times, &mut values), Ok(samples.len()));
        assert!(samples.iter().zip(times.iter().zip(&values)).all(|(s, (t, v))| s.0 == *t && s.1.to_bits() == v.to_bits()));
        for cut in 0..data.len() {
            let (mut times, mut values) = (Vec::new(), Vec::new());
            assert!(decode(&data[..cut], &mut times, &mut values).is_err());
            assert!(samples.iter().zip(&times).all(|(s, t)| s.0 == *t), "what came before the cut is kept");
        }
    }
}
