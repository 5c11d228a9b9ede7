//! Patches applied to the files of a directory, none of which may be outside of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::json;
use tachikoma_backend_codex::tools::apply_patch::{PatchDirectory, PatchErrorKind, PatchOperation};
use tempfile::TempDir;

use super::properties::nearly_a_patch;

/// A tree of `inside/`, which is patched, and `outside/`, which must not change.
struct Tree {
    root: TempDir,
    directory: PatchDirectory,
}

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let root = TempDir::new().unwrap();
        for folder in ["inside", "outside/folder"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (path, text) in files {
            let path = root.path().join("inside").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for path in ["outside/a.txt", "outside/folder/a.txt"] {
            fs::write(root.path().join(path), "a\n").unwrap();
        }
        let directory = PatchDirectory::open(root.path().join("inside")).unwrap();
        Self { root, directory }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join("inside").join(path)
    }

    /// The texts of all files under `inside/` or `outside/`, by path; links are not followed, but have their targets as text.
    fn files(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let root = self.root.path().join(folder);
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
                let path = entry.path();
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_symlink() {
                    let target = fs::read_link(&path).unwrap();
                    files.insert(name, target.to_str().unwrap().as_bytes().to_vec());
                } else if kind.is_file() {
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    fn inside(&self) -> Vec<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        self.files("inside").into_iter().map(|(path, bytes)| (path, text(bytes))).collect()
    }

    fn assert_inside(&self, expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        assert_eq!(self.inside(), expected);
    }
}

fn create(path: &str) -> PatchOperation {
    PatchOperation::create_file(path, "+new\n")
}

fn update(path: &str) -> PatchOperation {
    PatchOperation::update_file(path, "@@\n-a\n+b\n")
}

fn rename(path: &str, to: &str) -> PatchOperation {
    PatchOperation::move_file(path, to, "")
}

fn delete(path: &str) -> PatchOperation {
    PatchOperation::delete_file(path)
}

#[test]
fn a_call_is_applied_in_each_of_its_forms() {
    let patch = "*** Begin Patch\n*** Update File: a.txt\n@@\n-a\n+b\n*** End Patch";
    let operation = json!({"type": "update_file", "path": "a.txt", "diff": "@@\n-a\n+b\n"});
    for arguments in [
        patch.to_owned(),
        format!("\n{patch}\n"),
        json!({ "input": patch }).to_string(),
        operation.to_string(),
        json!({"type": "apply_patch_call", "call_id": "call_1", "operation": operation}).to_string(),
    ] {
        let tree = Tree::new(&[("a.txt", "a\n")]);
        assert_eq!(tree.directory.apply_json(&arguments).unwrap(), "Updated a.txt", "{arguments}");
        tree.assert_inside(&[("a.txt", "b\n")]);
    }
    let tree = Tree::new(&[]);
    for arguments in ["", "null", "[]", "{}", "\"x\"", r#"{"input": 1}"#, r#"{"type": "other", "path": "a"}"#]
    {
        let error = tree.directory.apply_json(arguments).unwrap_err();
        assert_eq!(error.kind(), PatchErrorKind::Syntax, "{arguments}: {error}");
        assert!(error.to_string().contains("*** Begin Patch"), "{arguments}: {error}");
    }
}

#[test]
fn operations_see_what_earlier_ones_did() {
    let tree = Tree::new(&[("a.txt", "a\n"), ("d/b.txt", "a  \n"), ("c.txt", "a\n"), ("e.txt", "e")]);
    let patch = "*** Begin Patch
*** Update File: ./a.txt
-a
+b
*** Update File: a.txt
-b
+c
*** Update File: d//b.txt
*** Move to: new/folder/b.txt
-a
+b
*** Update File: new/folder/b.txt
-b
+c
*** Delete File: c.txt
*** Add File: c.txt
+created
*** Add File: temporary.txt
+x
*** Delete File: temporary.txt
*** Update File: e.txt
*** Move to: f.txt
*** End Patch";
    let expected = "Updated ./a.txt
Updated a.txt
Moved d//b.txt to new/folder/b.txt (lines matched except for whitespace or the rest of a line)
Updated new/folder/b.txt
Deleted c.txt
Created c.txt
Created temporary.txt
Deleted temporary.txt
Moved e.txt to f.txt";
    assert_eq!(tree.directory.apply_json(patch).unwrap(), expected);
    tree.assert_inside(&[
        ("a.txt", "c\n"),
        ("c.txt", "created\n"),
        ("f.txt", "e"),
        ("new/folder/b.txt", "c\n"),
    ]);
}

#[test]
fn a_patch_that_fails_changes_nothing() {
    use PatchErrorKind::{ContextNotFound, FileExists, FileMissing, NotText, PathRefused, Syntax};
    let files = [("a.txt", "a\n"), ("d/b.txt", "a\n"), ("latin.txt", "?"), ("other.txt", "a\n")];
    let cases = [
        (create("a.txt"), FileExists, "a.txt: the file exists"),
        (create("d"), FileExists, "d: the file exists"),
        (create("a.txt/b"), PathRefused, "not a directory"),
        (create("a.txt/b/c"), PathRefused, "not a directory"),
        (create("d/../c.txt"), PathRefused, "`..`"),
        (create("new.txt/c.txt"), PathRefused, "in the place of its directory"),
        (create("new.txt"), FileExists, "exists"),
        (PatchOperation::create_file("c.txt", "c"), Syntax, "c.txt: line 1"),
        (update("c.txt"), FileMissing, "c.txt: the file does not exist"),
        (update("d"), NotText, "regular file"),
        (update("latin.txt"), NotText, "byte 2"),
        (update("moved.txt"), FileMissing, "moved.txt"),
        (PatchOperation::update_file("a.txt", "-x\n"), ContextNotFound, "a.txt: the file does not have"),
        (PatchOperation::update_file("a.txt", ""), Syntax, "changes nothing"),
        (rename("a.txt", "d/b.txt"), FileExists, "d/b.txt: the file exists"),
        (rename("a.txt", "../outside/b.txt"), PathRefused, "../outside/b.txt"),
        (rename("c.txt", "e.txt"), FileMissing, "c.txt"),
        (delete("c.txt"), FileMissing, "c.txt"),
        (delete("deleted.txt"), FileMissing, "deleted.txt"),
        (delete("d"), NotText, "regular file"),
    ];
    for (operation, kind, words) in cases {
        let tree = Tree::new(&[&files[..], &[("deleted.txt", ""), ("moved.txt", "a\n")]].concat());
        fs::write(tree.path("latin.txt"), b"a\xE4\n").unwrap();
        let before = tree.files("inside");
        let operations = [
            update("other.txt"),
            create("new.txt"),
            delete("deleted.txt"),
            rename("moved.txt", "moved/to.txt"),
            operation.clone(),
        ];
        let error = tree.directory.apply(&operations).expect_err(&format!("{operation:?}"));
        assert_eq!(error.kind(), kind, "{operation:?}: {error}");
        assert!(error.to_string().contains(words), "{operation:?}: {error}");
        assert_eq!(tree.files("inside"), before, "{operation:?}");
    }
}

#[test]
fn large_files_and_patches_are_refused() {
    let tree = Tree::new(&[("large.txt", &"a\n".repeat(5 << 20)), ("a.txt", "a\n")]);
    for operations in [
        vec![update("large.txt")],
        (0..1001).map(|at| create(&format!("{at}.txt"))).collect(),
        (0..9)
            .map(|at| PatchOperation::create_file(format!("{at}"), format!("+{}", "a".repeat((8 << 20) - 1))))
            .collect(),
    ] {
        let error = tree.directory.apply(&operations).unwrap_err();
        assert_eq!(error.kind(), PatchErrorKind::TooLarge, "{error}");
        assert_eq!(tree.files("inside").len(), 2);
    }
}

#[test]
fn a_directory_that_cannot_be_opened_is_an_error() {
    let tree = Tree::new(&[("a.txt", "a\n")]);
    for path in ["a.txt", "missing"] {
        let error = PatchDirectory::open(tree.path(path)).unwrap_err();
        assert_eq!(error.kind(), PatchErrorKind::Io, "{error}");
        assert!(error.to_string().contains(path), "{error}");
    }
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn permissions_are_kept() {
        let tree = Tree::new(&[("a.sh", "a\n"), ("b.sh", "a\n"), ("secret", "a\n")]);
        for (path, mode) in [("a.sh", 0o755), ("b.sh", 0o750), ("secret", 0o600)] {
            fs::set_permissions(tree.path(path), fs::Permissions::from_mode(mode)).unwrap();
        }
        tree.directory
            .apply(&[update("a.sh"), rename("b.sh", "c.sh"), update("secret"), update("c.sh")])
            .unwrap();
        tree.assert_inside(&[("a.sh", "b\n"), ("c.sh", "b\n"), ("secret", "b\n")]);
        let modes = ["a.sh", "c.sh", "secret"].map(|path| mode(&tree.path(path)));
        assert_eq!(modes, [0o755, 0o750, 0o600]);
    }

    #[test]
    fn a_file_that_may_not_be_written_is_not_replaced() {
        let tree = Tree::new(&[("a.txt", "a\n")]);
        fs::set_permissions(tree.path("a.txt"), fs::Permissions::from_mode(0o444)).unwrap();
        let error = tree.directory.apply(&[update("a.txt")]).unwrap_err();
        assert!(error.to_string().contains("read-only"), "{error}");
        tree.assert_inside(&[("a.txt", "a\n")]);
    }

    #[test]
    fn links_within_the_directory_are_followed_but_not_replaced() {
        let tree = Tree::new(&[("real/a.txt", "a\n")]);
        symlink("real", tree.path("folder")).unwrap();
        symlink("folder/a.txt", tree.path("link.txt")).unwrap();
        let operations = [
            update("link.txt"),
            PatchOperation::update_file("folder/a.txt", "-b\n+c\n"),
            create("folder/new.txt"),
        ];
        tree.directory.apply(&operations).unwrap();
        tree.assert_inside(&[
            ("folder", "real"),
            ("link.txt", "folder/a.txt"),
            ("real/a.txt", "c\n"),
            ("real/new.txt", "new\n"),
        ]);
        for operation in
            [delete("link.txt"), rename("link.txt", "b.txt"), create("link.txt"), create("real/a.txt")]
        {
            assert!(tree.directory.apply(&[operation]).is_err());
        }
        // The same file by two paths is created once.
        let error = tree.directory.apply(&[create("folder/b.txt"), create("real/b.txt")]).unwrap_err();
        assert_eq!(error.kind(), PatchErrorKind::FileExists);
        assert_eq!(tree.files("inside").len(), 4);
    }

    #[test]
    fn a_link_to_the_same_data_outside_is_cut() {
        let tree = Tree::new(&[]);
        fs::hard_link(tree.root.path().join("outside/a.txt"), tree.path("a.txt")).unwrap();
        let before = tree.files("outside");
        tree.directory.apply(&[update("a.txt")]).unwrap();
        tree.assert_inside(&[("a.txt", "b\n")]);
        assert_eq!(tree.files("outside"), before);
    }

    #[test]
    fn special_files_are_refused() {
        let tree = Tree::new(&[]);
        let _socket = std::os::unix::net::UnixListener::bind(tree.path("socket")).unwrap();
        for operation in [update("socket"), delete("socket"), create("socket")] {
            tree.directory.apply(&[operation]).unwrap_err();
        }
    }

    /// Links of every kind that leads outside.
    fn with_links() -> (Tree, Vec<String>) {
        let tree = Tree::new(&[("a.txt", "a\n"), ("deep/a.txt", "a\n")]);
        let outside = tree.root.path().join("outside").to_str().unwrap().to_owned();
        for (link, target) in [
            ("absolute", outside.clone()),
            ("relative", "../outside".to_owned()),
            ("deep/relative", "../../outside".to_owned()),
            ("file.txt", "../outside/a.txt".to_owned()),
            ("absolute.txt", format!("{outside}/a.txt")),
            ("dangling.txt", "../outside/missing.txt".to_owned()),
            ("dangling", "../outside/missing".to_owned()),
            ("chain", "deep/relative/folder".to_owned()),
            ("chain.txt", "chain/a.txt".to_owned()),
            ("up", "..".to_owned()),
            ("root", "/".to_owned()),
            ("loop", "loop".to_owned()),
        ] {
            symlink(target, tree.path(link)).unwrap();
        }
        let paths = [
            "../outside/a.txt",
            "../outside/new.txt",
            "..",
            "../../../../../../../../etc/passwd",
            "deep/../../outside/a.txt",
            "./../outside/a.txt",
            "missing/../../outside/a.txt",
            "/etc/passwd",
            "//etc/passwd",
            "absolute/a.txt",
            "absolute/new.txt",
            "absolute/new/folder/new.txt",
            "relative/a.txt",
            "relative/new.txt",
            "relative/folder/a.txt",
            "deep/relative/a.txt",
            "deep/relative/folder/new.txt",
            "file.txt",
            "absolute.txt",
            "dangling.txt",
            "dangling/new.txt",
            "chain/a.txt",
            "chain/new.txt",
            "chain.txt",
            "up/outside/a.txt",
            "up/outside/new.txt",
            "root/etc/passwd",
            "loop",
            "loop/a.txt",
            "relative",
            "",
            ".",
            "/",
            "a.txt/",
            "new\0.txt",
        ];
        let absolute = ["a.txt", "new.txt"].map(|name| format!("{outside}/{name}"));
        (tree, paths.map(str::to_owned).into_iter().chain(absolute).collect())
    }

    #[test]
    fn no_path_leads_outside() {
        let (tree, paths) = with_links();
        let (inside, outside) = (tree.files("inside"), tree.files("outside"));
        for path in &paths {
            for operation in [
                create(path),
                update(path),
                delete(path),
                rename(path, "moved.txt"),
                rename("a.txt", path),
                PatchOperation::move_file("a.txt", path, "-a\n+b\n"),
            ] {
                // Others before it do not make it pass.
                for before in [vec![], vec![update("deep/a.txt"), create("x/new.txt")], vec![create(path)]] {
                    let operations = [&before[..], std::slice::from_ref(&operation)].concat();
                    let error = tree.directory.apply(&operations).expect_err(&format!("{operations:?}"));
                    assert!(!error.message().is_empty());
                }
            }
            let inside_now = tree.files("inside");
            assert_eq!(inside_now, inside, "{path:?}");
            assert_eq!(tree.files("outside"), outside, "{path:?}");
        }
    }

    #[test]
    fn escapes_are_refused_as_such() {
        let (tree, _) = with_links();
        for path in
            ["../outside/a.txt", "/etc/passwd", "relative/a.txt", "absolute/a.txt", "file.txt", "chain.txt"]
        {
            let error = tree.directory.apply(&[update(path)]).unwrap_err();
            assert_eq!(error.kind(), PatchErrorKind::PathRefused, "{path}: {error}");
            assert_eq!(error.path(), Some(path));
        }
    }

    /// While patches are applied, a directory and a file are replaced by links that lead outside, and back.
    #[test]
    fn no_link_that_is_put_in_place_later_leads_outside() {
        let tree = Tree::new(&[("folder/a.txt", "a\n"), ("a.txt", "a\n")]);
        let outside = tree.files("outside");
        symlink("../outside", tree.path("to-folder")).unwrap();
        symlink("../outside/a.txt", tree.path("to-file")).unwrap();
        let is_done = AtomicBool::new(false);
        let mut applied = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    for (name, link) in [("folder", "to-folder"), ("a.txt", "to-file")] {
                        // Each may fail while a patch replaces the same file.
                        _ = fs::rename(tree.path(name), tree.path("aside"));
                        _ = fs::rename(tree.path(link), tree.path(name));
                        _ = fs::rename(tree.path(name), tree.path(link));
                        _ = fs::rename(tree.path("aside"), tree.path(name));
                    }
                }
            });
            for at in 0..400 {
                let new = format!("folder/{at}.txt");
                for operations in [
                    vec![update("folder/a.txt"), update("a.txt")],
                    vec![PatchOperation::update_file("folder/a.txt", "-b\n+a\n")],
                    vec![PatchOperation::update_file("a.txt", "-b\n+a\n")],
                    vec![create(&new)],
                    vec![delete(&new)],
                ] {
                    applied += usize::from(tree.directory.apply(&operations).is_ok());
                }
            }
            is_done.store(true, Ordering::Relaxed);
        });
        assert!(applied > 0, "no patch was applied");
        assert_eq!(tree.files("outside"), outside);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn random_calls_stay_inside(body in nearly_a_patch()) {
        let tree = Tree::new(&[("a", "a\n"), ("b/a", "ab\n")]);
        let outside = tree.files("outside");
        for arguments in [body.clone(), format!("*** Begin Patch\n{body}\n*** End Patch")] {
            let before = tree.files("inside");
            if let Err(error) = tree.directory.apply_json(&arguments) {
                prop_assert!(!error.to_string().is_empty());
                prop_assert_eq!(tree.files("inside"), before, "{}", arguments);
            }
        }
        prop_assert_eq!(tree.files("outside"), outside);
    }
}
