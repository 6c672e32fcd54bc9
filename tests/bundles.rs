//! What comes in: folders, archives of every kind, nested and damaged and hostile ones; same content, same paths.

use postmem::bundle::{Bundle, Entry, Limits, walk};
use postmem::pipeline::{self, Options};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

fn text(n: usize) -> Vec<u8> {
    (0..n).flat_map(|i| format!("2026-03-01T10:00:{:02}Z INFO line {i}\n", i % 60).into_bytes()).collect()
}

/// The members that every carrier below holds.
fn members() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("logs/cart-0_app.log", text(50)),
        ("nodes/worker-1/kern.log", b"not much\n".to_vec()),
        ("deep/a/b/c/d/e.txt", Vec::new()),
        ("big/one.log", text(60_000)),
    ]
}

fn zip_of(list: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut z = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in list {
        z.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        z.write_all(bytes).unwrap();
    }
    z.finish().unwrap().into_inner()
}

fn tar_of(list: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut t = tar::Builder::new(Vec::new());
    for (name, bytes) in list {
        let mut h = tar::Header::new_gnu();
        h.set_size(bytes.len() as u64);
        h.set_mode(0o644);
        t.append_data(&mut h, name, &bytes[..]).unwrap();
    }
    t.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut w = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Dir(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let p = self.0.path().join(name);
        std::fs::create_dir_all(p.parent().unwrap()).unwrap();
        std::fs::write(&p, bytes).unwrap();
        p
    }
}

fn open(path: &Path) -> Bundle {
    open_with(path, &Limits::default())
}

fn open_with(path: &Path, limits: &Limits) -> Bundle {
    walk::open(&[path.to_path_buf()], limits, &[]).unwrap()
}

fn read(e: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    e.content.reader().unwrap().read_to_end(&mut out).unwrap();
    out
}

/// Path and content of everything that was not refused.
fn contents(b: &Bundle) -> Vec<(String, Vec<u8>)> {
    b.entries.iter().filter(|e| !e.refused).map(|e| (e.path.clone(), read(e))).collect()
}

/// Path and code of every diagnostic.
fn codes(b: &Bundle) -> Vec<(String, &'static str)> {
    b.entries.iter().flat_map(|e| e.diagnostics.iter().map(|d| (e.path.clone(), d.code))).collect()
}

#[test]
fn every_carrier_of_the_same_members_is_the_same_bundle() {
    let d = Dir::new();
    let list = members();
    for (name, bytes) in &list {
        d.put(&format!("folder/bundle/{name}"), bytes);
    }
    let reversed: Vec<_> = list.iter().rev().cloned().collect();
    let carriers = [
        d.0.path().join("folder/bundle"),
        d.put("zip/bundle.zip", &zip_of(&list, zip::CompressionMethod::Deflated)),
        d.put("stored/bundle.zip", &zip_of(&reversed, zip::CompressionMethod::Stored)),
        d.put("tar/bundle.tar", &tar_of(&reversed)),
        d.put("tgz/bundle.tar.gz", &gzip(&tar_of(&list))),
        d.put("tzst/bundle.tar.zst", &zstd(&tar_of(&list))),
        d.put("txz/bundle.tar.xz", &xz(&tar_of(&reversed))),
        // The name proves nothing.
        d.put("misnamed/bundle", &gzip(&zip_of(&list, zip::CompressionMethod::Deflated))),
    ];
    let mut want: Vec<(String, Vec<u8>)> = list.iter().map(|(n, b)| ((*n).to_owned(), b.clone())).collect();
    want.sort();
    let mut digests = Vec::new();
    for c in &carriers {
        let b = open(c);
        assert!(contents(&b) == want, "{}: other members", c.display());
        assert_eq!(codes(&b), [], "{}", c.display());
        let input = pipeline::read(std::slice::from_ref(c), &Options::default()).unwrap().inputs.remove(0);
        assert_eq!((input.path.as_str(), input.bytes), ("bundle", want.iter().map(|w| w.1.len() as u64).sum()));
        digests.push(input.sha256);
    }
    assert_eq!(digests[0].len(), 64);
    assert!(digests.windows(2).all(|w| w[0] == w[1]), "{digests:?}");
}

#[test]
fn a_loose_file_has_the_digest_that_sha256sum_prints() {
    let d = Dir::new();
    let p = d.put("abc.txt", b"abc");
    let input = pipeline::read(&[p], &Options::default()).unwrap().inputs.remove(0);
    assert_eq!(input.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(input.path, "abc.txt");
}

#[test]
fn archives_in_archives_are_opened_and_named_by_their_way() {
    let d = Dir::new();
    let inner = gzip(&tar_of(&[("x/kern.log", text(3))]));
    let mid = zip_of(&[("node.tgz", inner), ("plain.log.gz", gzip(&text(4)))], zip::CompressionMethod::Stored);
    let outer = zip_of(&[("mid.zip", mid), ("top.txt", b"t".to_vec())], zip::CompressionMethod::Deflated);
    let b = open(&d.put("outer.zip", &outer));
    let paths: Vec<&str> = b.entries.iter().map(|e| e.path.as_str()).collect();
    assert_eq!(paths, ["mid.zip!node.tgz!x/kern.log", "mid.zip!plain.log.gz", "top.txt"]);
    assert_eq!(read(&b.entries[1]), text(4));
}

#[test]
fn several_inputs_are_told_apart() {
    let d = Dir::new();
    let (a, b) = (d.put("one/t0.txt", b"a"), d.put("two/t0.txt", b"b"));
    let zip = d.put("case.zip", &zip_of(&[("t0.txt", b"c".to_vec())], zip::CompressionMethod::Stored));
    let bundle = walk::open(&[a, b, zip], &Limits::default(), &[]).unwrap();
    let paths: Vec<String> = bundle.entries.iter().map(|e| e.path.rsplit('/').take(2).collect::<Vec<_>>().join("<")).collect();
    assert_eq!(paths, ["t0.txt<one", "t0.txt<two", "t0.txt<case"]);
}

#[test]
fn links_absolute_paths_and_climbing_are_refused_and_named() {
    let d = Dir::new();
    let list = [("../../etc/cron.d/x", text(1)), ("/etc/passwd", text(1)), ("a/../../b", text(1)), ("ok.log", text(2))];
    let mut raw = Vec::new();
    for (name, bytes) in &list {
        let mut h = tar::Header::new_old();
        h.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        h.set_size(bytes.len() as u64);
        h.set_cksum();
        raw.extend_from_slice(h.as_bytes());
        raw.extend_from_slice(bytes);
        raw.resize(raw.len().next_multiple_of(512), 0);
    }
    let mut link = tar::Header::new_old();
    link.set_entry_type(tar::EntryType::Symlink);
    link.as_old_mut().name[..4].copy_from_slice(b"link");
    link.as_old_mut().linkname[..11].copy_from_slice(b"/etc/shadow");
    link.set_size(0);
    link.set_cksum();
    raw.extend_from_slice(link.as_bytes());
    raw.extend_from_slice(&[0; 1024]);
    for (name, bytes) in [("evil.tar", raw.clone()), ("evil.tgz", gzip(&raw))] {
        let b = open(&d.put(name, &bytes));
        assert_eq!(contents(&b), [("ok.log".to_owned(), text(2))]);
        let refused = codes(&b);
        assert_eq!(refused.iter().filter(|(_, c)| *c == "archive-path").count(), 3, "{refused:?}");
        assert!(refused.contains(&("link".into(), "archive-link")), "{refused:?}");
    }
    let z = open(&d.put("evil.zip", &zip_of(&list, zip::CompressionMethod::Deflated)));
    assert_eq!(contents(&z).len(), 1);
    assert_eq!(codes(&z).iter().filter(|(_, c)| *c == "archive-path").count(), 3);
}

#[cfg(unix)]
#[test]
fn links_in_folders_are_not_followed() {
    let d = Dir::new();
    d.put("case/a.log", b"x");
    std::os::unix::fs::symlink("/etc/passwd", d.0.path().join("case/secret")).unwrap();
    std::os::unix::fs::symlink(".", d.0.path().join("case/loop")).unwrap();
    let b = open(&d.0.path().join("case"));
    assert_eq!(contents(&b), [("a.log".to_owned(), b"x".to_vec())]);
    assert_eq!(codes(&b), [("loop".to_owned(), "archive-link"), ("secret".to_owned(), "archive-link")]);
}

#[test]
fn a_cut_archive_gives_what_is_whole() {
    let d = Dir::new();
    let list = members();
    for method in [zip::CompressionMethod::Deflated, zip::CompressionMethod::Stored] {
        let whole = zip_of(&list, method);
        let b = open(&d.put("cut.zip", &whole[..whole.len() - 300]));
        let got = contents(&b);
        assert!(got.iter().any(|(p, c)| p == "logs/cart-0_app.log" && *c == text(50)), "{method:?}");
        assert!(codes(&b).iter().any(|(_, c)| *c == "archive-truncated"));
    }
    let tgz = gzip(&tar_of(&list));
    for keep in [tgz.len() / 2, tgz.len() - 9, tgz.len() - 4] {
        let b = open(&d.put("cut.tgz", &tgz[..keep]));
        assert!(contents(&b).iter().any(|(p, c)| p == "logs/cart-0_app.log" && *c == text(50)), "cut at {keep}");
        assert!(codes(&b).iter().any(|(_, c)| matches!(*c, "archive-truncated" | "compressed-data")), "cut at {keep}: {:?}", codes(&b));
    }
}

#[test]
fn every_cut_and_flip_of_every_carrier_is_survived() {
    let d = Dir::new();
    let list: Vec<_> = members().into_iter().take(3).collect();
    let carriers = [
        zip_of(&list, zip::CompressionMethod::Deflated),
        tar_of(&list),
        gzip(&tar_of(&list)),
        zstd(&tar_of(&list)),
        xz(&tar_of(&list)),
        gzip(&text(200)),
    ];
    let mut seed = 7u64;
    let mut random = |n: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % n.max(1)
    };
    for whole in &carriers {
        for round in 0..60 {
            let mut bytes = whole.clone();
            match round % 3 {
                0 => bytes.truncate(random(whole.len())),
                1 => (0..4).for_each(|_| bytes[random(whole.len())] ^= 1 << random(8)),
                _ => bytes.extend((0..random(600)).map(|i| (i * 37) as u8)),
            }
            let p = d.put("mutated", &bytes);
            let incident = pipeline::read(&[p], &Options::default()).unwrap();
            assert!(!incident.artifacts.is_empty() || bytes.is_empty());
        }
    }
}

#[test]
fn a_wrong_checksum_or_length_is_told_and_the_content_kept() {
    let d = Dir::new();
    let list = [("a.log", text(20))];
    let good = zip_of(&list, zip::CompressionMethod::Stored);
    let central = good.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    let mut crc = good.clone();
    crc[central + 16] ^= 0xff;
    let incident = pipeline::read(&[d.put("crc.zip", &crc)], &Options::default()).unwrap();
    let told: Vec<&str> = incident.artifacts.iter().flat_map(|a| a.diagnostics.iter().map(|x| x.code)).collect();
    assert!(told.contains(&"archive-crc"), "{told:?}");
    assert_eq!(incident.artifacts[0].bytes, text(20).len() as u64);
    let mut len = zip_of(&list, zip::CompressionMethod::Deflated);
    let central = len.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    len[central + 24..central + 28].copy_from_slice(&7u32.to_le_bytes());
    let incident = pipeline::read(&[d.put("len.zip", &len)], &Options::default()).unwrap();
    assert!(incident.artifacts.iter().flat_map(|a| a.diagnostics.iter()).any(|x| x.code == "archive-size"));
}

#[test]
fn plain_files_take_nothing_from_what_may_be_unpacked() {
    let d = Dir::new();
    let small = Limits { max_total_bytes: 1 << 20, ..Limits::default() };
    d.put("plain.txt", &vec![b'x'; 3 << 20]);
    d.put("packed.zip", &zip_of(&[("inner.txt", vec![b'y'; 600 << 10])], zip::CompressionMethod::Deflated));
    let root = d.put("lone.gz", &gzip(&vec![b'z'; 300 << 10]));
    let b = open_with(root.parent().unwrap(), &small);
    assert_eq!(codes(&b), Vec::<(String, &str)>::new(), "900 KiB of 1 MiB are unpacked");
}

#[test]
fn bombs_stop_at_the_limits_and_say_so() {
    let d = Dir::new();
    let small = Limits { max_total_bytes: 1 << 20, ..Limits::default() };
    let bomb = gzip(&vec![0u8; 8 << 20]);
    let incident = pipeline::read(&[d.put("zeros.gz", &bomb)], &Options { limits: small, ..Options::default() }).unwrap();
    assert_eq!(incident.artifacts[0].bytes, 1 << 20);
    assert!(incident.artifacts[0].diagnostics.iter().any(|x| x.code == "archive-limit"));
    let z = open_with(&d.put("zeros.zip", &zip_of(&[("z", vec![0u8; 8 << 20])], zip::CompressionMethod::Deflated)), &small);
    assert_eq!(codes(&z), [("z".to_owned(), "archive-limit")]);
    let many: Vec<(String, Vec<u8>)> = (0..50).map(|i| (format!("f{i:02}"), vec![b'x'])).collect();
    let many: Vec<(&str, Vec<u8>)> = many.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
    let few = Limits { max_entries: 10, ..Limits::default() };
    for (name, bytes) in [("many.zip", zip_of(&many, zip::CompressionMethod::Stored)), ("many.tgz", gzip(&tar_of(&many)))] {
        let b = open_with(&d.put(name, &bytes), &few);
        assert_eq!(contents(&b).len(), 10, "{name}");
        assert!(codes(&b).iter().any(|(_, c)| *c == "archive-entries"), "{name}: {:?}", codes(&b));
    }
    let mut nested = zip_of(&[("core.txt", b"x".to_vec())], zip::CompressionMethod::Stored);
    for _ in 0..20 {
        nested = zip_of(&[("n.zip", nested)], zip::CompressionMethod::Deflated);
    }
    let b = open(&d.put("nested.zip", &nested));
    assert!(contents(&b).is_empty());
    assert!(codes(&b).iter().any(|(_, c)| *c == "archive-depth"));
}

#[test]
fn members_that_share_their_bytes_are_read_once() {
    let d = Dir::new();
    let mut z = zip_of(&[("a", text(20)), ("b", text(20))], zip::CompressionMethod::Stored);
    // Point the second member of the directory at the first one's header.
    let second = z.windows(4).rposition(|w| w == b"PK\x01\x02").unwrap();
    z[second + 42..second + 46].copy_from_slice(&0u32.to_le_bytes());
    let b = open(&d.put("overlap.zip", &z));
    assert_eq!(contents(&b).len(), 1);
    assert!(codes(&b).iter().any(|(_, c)| *c == "archive-overlap"));
}

#[test]
fn an_input_that_is_not_there_is_an_error_of_its_own() {
    let e = walk::open(&[PathBuf::from("no/such/bundle")], &Limits::default(), &[]).err().unwrap();
    assert_eq!(e.exit_code(), 66);
}

#[test]
fn which_files_a_limit_leaves_does_not_depend_on_the_folders_order() {
    let names: Vec<String> = (0..40).map(|i| format!("f{i:02}.txt")).collect();
    let listed = |order: &mut dyn Iterator<Item = &String>| {
        let dir = tempfile::tempdir().unwrap();
        for name in order {
            std::fs::create_dir_all(dir.path().join("sub")).unwrap();
            std::fs::write(dir.path().join(name), name).unwrap();
            std::fs::write(dir.path().join("sub").join(name), name).unwrap();
        }
        let bundle = open_with(dir.path(), &Limits { max_entries: 3, ..Limits::default() });
        bundle.entries.iter().map(|e| e.path.clone()).filter(|p| p.ends_with(".txt")).collect::<Vec<_>>()
    };
    let up = listed(&mut names.iter());
    assert_eq!(up, ["f00.txt", "f01.txt", "f02.txt"]);
    assert_eq!(listed(&mut names.iter().rev()), up);
}

#[test]
fn parts_of_artifacts_count_as_artifacts() {
    let dir = tempfile::tempdir().unwrap();
    let session: String = (0..50).map(|i| format!("$ kubectl logs pod-{i}\nline {i}\n")).collect();
    std::fs::write(dir.path().join("session.txt"), session).unwrap();
    let mut options = Options::default();
    options.limits.max_entries = 10;
    let incident = pipeline::read(&[dir.path().to_owned()], &options).unwrap();
    assert_eq!(incident.artifacts.len(), 10);
    let told = |code: &str| incident.artifacts.iter().flat_map(|a| a.diagnostics.iter()).any(|d| d.code == code);
    assert!(told("archive-entries"));
    options.limits.max_entries = 100;
    assert_eq!(pipeline::read(&[dir.path().to_owned()], &options).unwrap().artifacts.len(), 51);
}
