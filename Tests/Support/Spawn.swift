// Spawn.swift: how the tests start other programs, and what they know of where they run.

import Glibc

/// Start `program`, which `descriptors` are open in, from 0 on. It has the usual answer to every signal,
/// also where the tests run in the background of a shell and inherit that Ctrl-C is ignored, and blocks
/// none.
///
/// By `posix_spawn`: Foundation's Process reads past the end of a directory's entries where many files
/// are open, and has crashed so.
///
/// - Parameter ownSession: Of a session of its own, whose terminal is the first one that it opens.
public func spawn(
  _ program: String, _ arguments: [String], environment: [String: String],
  descriptors: [SpawnDescriptor], ownSession: Bool = false
) throws -> pid_t {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  for (number, descriptor) in descriptors.enumerated() {
    switch descriptor {
    case .file(let path, let flags):
      posix_spawn_file_actions_addopen(&actions, Int32(number), path, flags, 0)
    case .same(let other): posix_spawn_file_actions_adddup2(&actions, other, Int32(number))
    }
  }
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var none = sigset_t()
  var all = sigset_t()
  sigemptyset(&none)
  sigfillset(&all)
  posix_spawnattr_setsigmask(&attributes, &none)
  posix_spawnattr_setsigdefault(&attributes, &all)
  // Swift does not see the header's name for the last one.
  let flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (ownSession ? 0x80 : 0)
  posix_spawnattr_setflags(&attributes, Int16(flags))
  var argv = ([program] + arguments).map { strdup($0) } + [nil]
  var envp = environment.map { strdup($0.key + "=" + $0.value) } + [nil]
  defer { for text in argv + envp { free(text) } }
  var child: pid_t = 0
  let failure = posix_spawn(&child, program, &actions, &attributes, &argv, &envp)
  guard failure == 0 else { throw CannotSpawn(program: program, errno: failure) }
  return child
}

public enum SpawnDescriptor {
  /// Opened with these flags.
  case file(String, Int32)
  /// The same as that one.
  case same(Int32)
}

public struct CannotSpawn: Error {
  public var program: String
  public var errno: Int32
}

/// The folder of built products: the one of the test bundle that runs now.
public let products: String = {
  var buffer = [CChar](repeating: 0, count: 4096)
  let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
  let path = String(
    decoding: buffer.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
  return path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
}()

/// What limits of time are multiplied by: LWKT_TEST_PATIENCE, for builds that are slow (sanitizers).
public let patience: Double = getenv("LWKT_TEST_PATIENCE").flatMap { atof($0) } ?? 1
