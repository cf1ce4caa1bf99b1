// SysportFaultTests.swift: what becomes of calls that the kernel refuses, interrupts or cuts short.

import CLWKT
import Glibc
import XCTest

@testable import LWKTCore

final class SysportFaultTests: SysportTestCase {
  private func inject(
    _ thread: ThreadRef, _ effect: Faults.Effect, _ operation: SystemCall.Operation,
    after skip: Int = 0, times: Int = 1
  ) {
    thread.pointee.host.pointee.faults.inject(effect, into: operation, after: skip, times: times)
  }

  /// Each operation hands on the errno, plainly and as a message, and does not reach the kernel.
  func testErrnos() {
    let name = path("untouched")
    eachThread { thread in
      let makers: [SystemCall.Operation: () -> SystemCallRef] = [
        .nanosleep: { Calls.nanosleep(1) }, .read: { Calls.read(0, 1) },
        .write: { Calls.write(1, "not to be seen") }, .pread: { Calls.pread(0, 1, 0) },
        .pwrite: { Calls.pwrite(1, "not to be seen", 0) },
        .open: { Calls.open(name, O_CREAT | O_WRONLY) },
        .close: { Calls.descriptor(.close, 0) }, .fsync: { Calls.descriptor(.fsync, 0) },
        .stat: { Calls.path(.stat, "/") }, .lstat: { Calls.path(.lstat, "/") },
        .readdir: { Calls.path(.readdir, "/") }, .unlink: { Calls.path(.unlink, name) },
        .rename: { Calls.rename(name, name) }, .mkdir: { Calls.mkdir(name) },
        .rmdir: { Calls.path(.rmdir, name) }, .poll: { Calls.poll(1, PollEvents.output) },
        .pipe: { SystemCallRef.make(.pipe) }, .isatty: { Calls.descriptor(.isatty, 0) },
        .clock_gettime: { SystemCallRef.make(.clock_gettime) },
        .getpid: { SystemCallRef.make(.getpid) },
      ]
      for operation in SystemCall.Operation.allCases {
        guard let maker = makers[operation] else { return XCTFail("\(operation) is not tested") }
        for errno in [EIO, ENOMEM] {
          self.inject(thread, .errno(errno), operation, times: 2)
          XCTAssertEqual(make(maker(), thread), -Int(errno), "\(operation)")
          XCTAssertEqual(answer(send(maker(), thread), thread).result, -Int(errno), "\(operation)")
        }
      }
      XCTAssertEqual(access(name, F_OK), -1)
    }
  }

  /// Interrupted calls are made again, as often as it takes; but a descriptor is closed once.
  func testInterrupted() {
    let name = path("file")
    eachThread { thread in
      let operations: [SystemCall.Operation] = [.open, .write, .read, .stat, .readdir, .nanosleep]
      for operation in operations { self.inject(thread, .errno(EINTR), operation, times: 3) }
      let fd = Int32(make(Calls.open(name, O_RDWR | O_CREAT), thread))
      XCTAssertEqual(make(Calls.write(fd, "text"), thread), 4)
      XCTAssertEqual(make(Calls.read(fd, 4), thread), 0)
      XCTAssertEqual(make(Calls.path(.stat, name), thread), 0)
      XCTAssertEqual(make(Calls.path(.readdir, self.directory), thread), 1)
      XCTAssertEqual(make(Calls.nanosleep(1000), thread), 0)
      self.inject(thread, .errno(EINTR), .close, times: 1)
      XCTAssertEqual(make(Calls.descriptor(.close, fd), thread), 0)
      XCTAssertEqual(fcntl(fd, F_GETFD), FD_CLOEXEC, "the injected close did not reach the kernel")
      close(fd)
      unlink(name)
    }
  }

  /// EAGAIN waits until the descriptor is ready, also more than once.
  func testTryAgain() {
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      rig.spawnStraight { thread in
        self.inject(thread, .errno(EAGAIN), .read, times: 3)
        self.inject(thread, .errno(EAGAIN), .write, times: 2)
        XCTAssertEqual(makeRead(Calls.read(read, 10), thread), Outcome(4, "data"))
        close(read)
        return 0
      }
      rig.spawnStraight { thread in
        make(Calls.nanosleep(1_000_000), thread)
        XCTAssertEqual(make(Calls.write(write, "data"), thread), 4)
        close(write)
        return 0
      }
    }
    // Where there is nothing to wait for it is an error like any other.
    eachThread(Self.all) { thread in
      self.inject(thread, .errno(EAGAIN), .open)
      XCTAssertEqual(make(Calls.open("/", O_RDONLY), thread), -Int(EAGAIN))
    }
  }

  /// Writes go on after short ones, to streams and files; a read takes what it got.
  func testShort() {
    let name = path("file")
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      rig.spawnStraight { thread in
        self.inject(thread, .short(1), .write, times: 2)
        self.inject(thread, .short(2), .write)
        XCTAssertEqual(make(Calls.write(write, "abcdefgh"), thread), 8)
        self.inject(thread, .short(3), .read)
        XCTAssertEqual(makeRead(Calls.read(read, 100), thread), Outcome(3, "abc"))
        XCTAssertEqual(makeRead(Calls.read(read, 100), thread), Outcome(5, "defgh"))
        let fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0o600)
        self.inject(thread, .short(1), .write, times: 2)
        self.inject(thread, .short(1), .pwrite, times: 3)
        XCTAssertEqual(make(Calls.write(fd, "abcdefgh"), thread), 8)
        XCTAssertEqual(make(Calls.pwrite(fd, "CDEFG", 2), thread), 5)
        self.inject(thread, .short(2), .pread)
        XCTAssertEqual(makeRead(Calls.pread(fd, 100, 0), thread), Outcome(2, "ab"))
        XCTAssertEqual(makeRead(Calls.pread(fd, 100, 0), thread), Outcome(8, "abCDEFGh"))
        for fd in [read, write, fd] { close(fd) }
        return 0
      }
    }
    unlink(name)
  }

  /// An error after part was written is the call's result.
  func testErrorAfterPart() {
    eachThread(Self.withRing) { thread in
      let (read, write) = makePipe()
      self.inject(thread, .short(3), .write)
      self.inject(thread, .errno(ENOSPC), .write)
      XCTAssertEqual(make(Calls.write(write, "abcdefgh"), thread), -Int(ENOSPC))
      XCTAssertEqual(makeRead(Calls.read(read, 100), thread), Outcome(3, "abc"))
      close(read)
      close(write)
    }
  }

  /// Without a ring, streams say why, and nothing hangs.
  func testRefusedRing() {
    run(Self.refused) { rig in
      let (read, write) = makePipe()
      rig.spawnStraight { thread in
        XCTAssertEqual(make(Calls.read(read, 1), thread), -Int(EPERM))
        XCTAssertEqual(make(Calls.write(write, "x"), thread), -Int(EPERM))
        XCTAssertEqual(make(Calls.poll(read, PollEvents.input), thread), -Int(EPERM))
        close(read)
        close(write)
        return 0
      }
    }
  }

  /// Answers come in any number although the rings are tiny.
  func testFullRing() {
    for options in [SysportOptions(), Self.tiny] {
      run(options) { rig in
        let (read, write) = makePipe()
        let count = 3000
        rig.spawnStraight { thread in
          let reads = (0..<count).map { _ in send(Calls.read(read, 1), thread) }
          XCTAssertEqual(mycpu.sysport.inFlight, count)
          make(Calls.write(write, [UInt8](repeating: 65, count: count)), thread)
          for message in reads { XCTAssertEqual(answer(message, thread), Outcome(1, "A")) }
          XCTAssertEqual(mycpu.sysport.inFlight, 0)
          close(read)
          close(write)
          return 0
        }
      }
    }
  }
}
