// SPDX-License-Identifier: MIT
//! Where libnumatally is: NUMATALLY_LIB_DIR, else what pkg-config says, else where the
//! linker looks by itself.
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=NUMATALLY_LIB_DIR");
    println!("cargo:rustc-link-lib=dylib=numatally");
    if let Ok(folder) = std::env::var("NUMATALLY_LIB_DIR") {
        println!("cargo:rustc-link-search=native={folder}");
        return;
    }
    let asked = Command::new("pkg-config")
        .args(["--variable=libdir", "numatally"])
        .output();
    if let Ok(answer) = asked {
        let folder = String::from_utf8_lossy(&answer.stdout);
        if answer.status.success() && !folder.trim().is_empty() {
            println!("cargo:rustc-link-search=native={}", folder.trim());
        }
    }
}
