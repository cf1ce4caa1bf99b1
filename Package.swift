// swift-tools-version: 6.2
import PackageDescription

// Every Swift target is built alike: Swift 6 language mode, and warnings are errors.
let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let cSettings: [CSetting] = [.treatAllWarnings(as: .error), .enableWarning("all")]

let package = Package(
  name: "lwkt-lua",
  products: [
    .library(name: "LWKTLua", targets: ["LWKTLua"]),
    .executable(name: "lwkt-lua", targets: ["lwkt-lua"]),
    // For a test.
    .library(name: "cmodule", type: .dynamic, targets: ["CModule"]),
  ],
  targets: [
    // The kernel side in C: what a worker keeps in thread-local storage, native stacks, the ring.
    .target(
      name: "CLWKT",
      cSettings: cSettings,
      linkerSettings: [.linkedLibrary(":liburing.a")]
    ),
    // Lua's headers and everything that may longjmp: trampolines, the preemption hook.
    .target(
      name: "CLua",
      dependencies: ["CLWKT"],
      cSettings: cSettings,
      linkerSettings: [
        .linkedLibrary(":liblua5.4.a"), .linkedLibrary("m"), .linkedLibrary("dl"),
      ]
    ),
    .target(name: "LWKTCore", dependencies: ["CLWKT"], swiftSettings: swiftSettings),
    .target(
      name: "LWKTLua", dependencies: ["LWKTCore", "CLua", "CLWKT"], swiftSettings: swiftSettings),
    // The command's arguments without the Swift library's detour.
    .target(name: "CArguments", cSettings: cSettings),
    .executableTarget(
      name: "lwkt-lua",
      dependencies: ["LWKTLua", "LWKTCore", "CLWKT", "CArguments"],
      swiftSettings: swiftSettings,
      // C modules loaded by `require` find Lua in the executable, as they do in stock `lua`; what the
      // wrapped function is, CLua/concat.c says, and what else is special, link/ld.
      linkerSettings: [
        .unsafeFlags([
          "-Xlinker", "--export-dynamic", "-Xlinker", "--wrap=luaT_tryconcatTM",
          "-Xclang-linker", "--ld-path=" + Context.packageDirectory + "/link/ld",
        ])
      ]
    ),
    // Writes what is generated from the help table, for the project itself.
    .executableTarget(
      name: "lwkt-docs", dependencies: ["LWKTLua"], swiftSettings: swiftSettings),
    .testTarget(
      name: "LWKTLuaTests", dependencies: ["LWKTLua", "LWKTCore", "CLua"],
      swiftSettings: swiftSettings),
    // Runs the built command; that it depends on it has it built first.
    .testTarget(
      name: "CommandTests",
      dependencies: ["lwkt-lua", "lwkt-docs", "EmbedExample", "LWKTLua", "CModule", "Support"],
      swiftSettings: swiftSettings),
    // A module in C, loaded by a test.
    .target(name: "CModule", path: "Tests/CModule", cSettings: cSettings),
    // The prompt: its parts, and the whole of it in a pseudo-terminal.
    .testTarget(
      name: "ReplTests", dependencies: ["lwkt-lua", "CLWKT", "Support"],
      swiftSettings: swiftSettings),
    // What both of them need.
    .target(name: "Support", path: "Tests/Support", swiftSettings: swiftSettings),
    // What an embedder writes: a small program with Lua in it, run by a test.
    .executableTarget(
      name: "EmbedExample", dependencies: ["LWKTLua"], path: "Tests/EmbedExample",
      swiftSettings: swiftSettings),
    .testTarget(
      name: "LWKTCoreTests", dependencies: ["LWKTCore", "CLWKT"], swiftSettings: swiftSettings),
  ]
)
