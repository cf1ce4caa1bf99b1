// SysportTests.swift: every system call, plainly and as messages.

import CLWKT
import Glibc
import LWKTCore
import Testing

@Suite(.serialized) struct SysportTests {
  /// The ring as it is, with the plainest setup, tiny, and none at all.
  static let variants: [SysportOptions] = {
    var plain = SysportOptions()
    plain.plain = true
    var tiny = SysportOptions()
    tiny.entries = 1
    tiny.answers = 2
    var pool = SysportOptions()
    pool.alwaysPool = true
    return [SysportOptions(), plain, tiny, pool]
  }()

  static var variantsAndRefused: [SysportOptions] {
    var refused = SysportOptions()
    refused.refuse = EPERM
    return variants + [refused]
  }

  @Test(arguments: variantsAndRefused)
  func files(options: SysportOptions) {
    let directory = Harness.temporaryDirectory()
    let name = directory + "/file"
    let notes = Notes()
    Harness.thread(options: options) { thread in
      thread.call(Calls.open(name, O_RDWR | O_CREAT)) { thread, call in
        let fd = Int32(call.pointee.result)
        notes.add(fd > 2 ? "open" : "open \(call.errno)")
        notes.add(fcntl(fd, F_GETFD) & FD_CLOEXEC != 0 ? "cloexec" : "inherited")
        return thread.calls([
          { Calls.write(fd, "hello ") }, { Calls.write(fd, "world") },
          { Calls.pwrite(fd, "W", 6) }, { Calls.descriptor(.fsync, fd) }, { Calls.write(fd, "") },
        ]) { thread, results in
          notes.add("\(results)")
          return thread.call(Calls.pread(fd, 100, 3)) { thread, call in
            notes.add(call.text)
            return thread.call(Calls.read(fd, 10)) { thread, call in
              notes.add("at the end: '\(call.text)'")
              lseek(fd, 0, SEEK_SET)
              return thread.call(Calls.read(fd, 5)) { thread, call in
                notes.add(call.text)
                return thread.calls([
                  { Calls.descriptor(.close, fd) }, { Calls.descriptor(.close, fd) },
                  { Calls.read(fd, 1) }, { Calls.write(-1, "x") },
                ]) { thread, results in
                  notes.add("\(results)")
                  return thread.end()
                }
              }
            }
          }
        }
      }
    }
    #expect(
      notes.all == [
        "open", "cloexec", "[6, 5, 1, 0, 0]", "lo World", "at the end: ''", "hello",
        "[0, -9, -9, -9]",
      ])
    unlink(name)
    rmdir(directory)
  }

  @Test(arguments: variantsAndRefused)
  func directories(options: SysportOptions) {
    let directory = Harness.temporaryDirectory()
    let notes = Notes()
    Harness.thread(options: options) { thread in
      thread.calls([
        { Calls.mkdir(directory + "/b") }, { Calls.mkdir(directory + "/b") },
        { Calls.mkdir(directory + "/c") }, { Calls.rename(directory + "/c", directory + "/a") },
        { Calls.open(directory + "/file", O_WRONLY | O_CREAT) },
      ]) { thread, results in
        close(Int32(results[4]))
        notes.add("\(results.dropLast())")
        return thread.call(Calls.path(.readdir, directory)) { thread, call in
          let stored = call.stored
          notes.add("\(call.pointee.result): " + String(decoding: stored, as: UTF8.self))
          return thread.calls([
            { Calls.path(.unlink, directory + "/file") },
            { Calls.path(.unlink, directory + "/file") }, { Calls.path(.rmdir, directory) },
            { Calls.path(.rmdir, directory + "/a") }, { Calls.path(.rmdir, directory + "/b") },
            { Calls.path(.rmdir, directory) }, { Calls.path(.readdir, directory) },
          ]) { thread, results in
            notes.add("\(results)")
            return thread.end()
          }
        }
      }
    }
    #expect(
      notes.all == [
        "[0, -17, 0, 0]", "3: \u{4}a\0\u{4}b\0\u{8}file\0", "[0, -2, -39, 0, 0, 0, -2]",
      ])
  }

  @Test(arguments: variantsAndRefused)
  func stat(options: SysportOptions) {
    let directory = Harness.temporaryDirectory()
    let link = directory + "/link"
    symlink(directory, link)
    let notes = Notes()
    @Sendable func note(_ call: SystemCallRef) {
      guard call.errno == 0 else { return notes.add("errno \(call.errno) \(String(cString: call.path!))") }
      var stat = lwkt_stat()
      lwkt_stat_decode(call.stored.baseAddress, &stat)
      notes.add("\(stat.mode >> 12)")
    }
    Harness.thread(options: options) { thread in
      thread.call(Calls.path(.stat, link)) { thread, call in
        note(call)
        return thread.call(Calls.path(.lstat, link)) { thread, call in
          note(call)
          let byDescriptor = SystemCallRef.make(.stat)
          let (read, write) = Harness.pipe()
          byDescriptor.setPathDescriptor(0, read)
          return thread.call(byDescriptor) { thread, call in
            note(call)
            close(read)
            close(write)
            return thread.call(Calls.path(.stat, "/nowhere")) { thread, call in
              note(call)
              return thread.end()
            }
          }
        }
      }
    }
    #expect(notes.all == ["4", "10", "1", "errno 2 /nowhere"])
    unlink(link)
    rmdir(directory)
  }

  @Test(arguments: variants)
  func pipes(options: SysportOptions) {
    let notes = Notes()
    Harness.run(options: options) { host in
      let (read, write) = Harness.pipe()
      ThreadRef.spawn(host) { thread in
        thread.call(Calls.read(read, 100)) { thread, call in
          notes.add("read " + call.text)
          return thread.call(Calls.read(read, 100)) { thread, call in
            notes.add("end '" + call.text + "'")
            close(read)
            return thread.end()
          }
        }
      }
      ThreadRef.spawn(host) { thread in
        thread.sleep(5_000_000) { thread in
          notes.add("slept")
          return thread.call(Calls.write(write, "through")) { thread, call in
            thread.sleep(5_000_000) { thread in
              close(write)
              return thread.end()
            }
          }
        }
      }
    }
    #expect(notes.all == ["slept", "read through", "end ''"])
  }

  @Test(arguments: variants)
  func moreThanAPipeHolds(options: SysportOptions) {
    let notes = Notes()
    let total = 1_000_000
    Harness.run(options: options) { host in
      let (read, write) = Harness.pipe()
      ThreadRef.spawn(host) { thread in
        thread.call(Calls.write(write, [UInt8](repeating: 7, count: total))) { thread, call in
          notes.add("wrote \(call.pointee.result)")
          close(write)
          return thread.end()
        }
      }
      @Sendable func readOn(_ thread: ThreadRef, _ sum: Int) -> RunOutcome {
        thread.call(Calls.read(read, 10_000)) { thread, call in
          if call.pointee.result > 0 { return readOn(thread, sum + call.pointee.result) }
          notes.add("read \(sum)")
          close(read)
          return thread.end()
        }
      }
      ThreadRef.spawn(host) { thread in readOn(thread, 0) }
    }
    #expect(notes.sorted == ["read \(total)", "wrote \(total)"])
  }

  @Test(arguments: variants)
  func poll(options: SysportOptions) {
    let notes = Notes()
    Harness.run(options: options) { host in
      let (read, write) = Harness.pipe()
      ThreadRef.spawn(host) { thread in
        thread.calls([
          { Calls.poll(write, PollEvents.output) },
          { Calls.poll(read, PollEvents.input, within: 5_000_000) },
          { Calls.poll(-1, PollEvents.input) },
        ]) { thread, results in
          notes.add("\(results)")
          return thread.call(Calls.poll(read, PollEvents.input, within: 10_000_000_000)) { thread, call in
            notes.add("\(call.pointee.result)")
            return thread.end()
          }
        }
      }
      ThreadRef.spawn(host) { thread in
        thread.sleep(20_000_000) { thread in
          close(write)
          return thread.end()
        }
      }
    }
    #expect(notes.all == ["[4, -110, -9]", "16"])
  }

  @Test func atOnce() {
    let notes = Notes()
    Harness.thread { thread in
      thread.calls([
        { SystemCallRef.make(.getpid) }, { Calls.descriptor(.isatty, -1) },
      ]) { thread, results in
        notes.add(results[0] == getpid() ? "pid" : "no")
        notes.add("\(results[1])")
        return thread.call(SystemCallRef.make(.clock_gettime)) { thread, call in
          notes.add(call.seconds > 1e9 ? "realtime" : "no")
          return thread.call(SystemCallRef.make(.pipe)) { thread, call in
            let ends = call.stored.bindMemory(to: Int32.self)
            Harness.write(ends[1], "x")
            notes.add("\(call.pointee.result)")
            close(ends[0])
            close(ends[1])
            return thread.end()
          }
        }
      }
    }
    #expect(notes.all == ["pid", "-9", "realtime", "0"])
  }

  @Test func nonBlockingDescriptors() {
    let notes = Notes()
    Harness.run { host in
      let (read, write) = Harness.pipe()
      for fd in [read, write] { _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) }
      ThreadRef.spawn(host) { thread in
        thread.call(Calls.read(read, 3)) { thread, call in
          notes.add(call.text)
          return thread.call(Calls.write(write, [UInt8](repeating: 1, count: 200_000))) { thread, call in
            notes.add("wrote \(call.pointee.result)")
            close(write)
            return thread.end()
          }
        }
      }
      @Sendable func drain(_ thread: ThreadRef, _ sum: Int) -> RunOutcome {
        thread.call(Calls.read(read, 1 << 16)) { thread, call in
          if call.pointee.result > 0 { return drain(thread, sum + call.pointee.result) }
          notes.add("read \(sum)")
          return thread.end()
        }
      }
      ThreadRef.spawn(host) { thread in
        thread.sleep(5_000_000) { thread in
          thread.call(Calls.write(write, "abc")) { thread, _ in
            thread.sleep(5_000_000) { drain($0, 0) }
          }
        }
      }
    }
    #expect(notes.sorted == ["abc", "read 200000", "wrote 200000"])
  }

  /// io_uring alone would lose some of these writes.
  @Test(arguments: variants)
  func twoWorkersWriteOneFile(options: SysportOptions) {
    let directory = Harness.temporaryDirectory()
    let fd = Glibc.open(directory + "/file", O_RDWR | O_CREAT, 0o644)
    let lines = 500
    Harness.run(workers: 2, options: options) { host in
      @Sendable func writeOn(_ thread: ThreadRef, _ left: Int) -> RunOutcome {
        if left == 0 { return thread.end() }
        return thread.call(Calls.write(fd, "0123456789")) { thread, _ in writeOn(thread, left - 1) }
      }
      for number in 0..<10 {
        ThreadRef.spawn(host, cpu: number % 2) { thread in writeOn(thread, lines) }
      }
    }
    #expect(lseek(fd, 0, SEEK_END) == 10 * 10 * lines)
    close(fd)
    unlink(directory + "/file")
    rmdir(directory)
  }

  @Test func beyondTwoGigabytes() {
    let directory = Harness.temporaryDirectory()
    let fd = Glibc.open(directory + "/file", O_RDWR | O_CREAT, 0o644)
    let notes = Notes()
    let far = 5_000_000_000
    Harness.thread { thread in
      thread.calls([{ Calls.pwrite(fd, "far", far) }]) { thread, results in
        notes.add("\(results)")
        return thread.call(Calls.pread(fd, 1 << 40, far - 1)) { thread, call in
          notes.add("\(call.pointee.result)")
          return thread.end()
        }
      }
    }
    #expect(notes.all == ["[3]", "4"])
    #expect(lseek(fd, 0, SEEK_END) == far + 3)
    close(fd)
    unlink(directory + "/file")
    rmdir(directory)
  }
}
