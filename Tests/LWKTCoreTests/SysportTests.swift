// SysportTests.swift: every system call, plainly and as messages.

import CLWKT
import Glibc
import XCTest

@testable import LWKTCore

final class SysportTests: SysportTestCase {
  func testFiles() {
    let name = path("file")
    eachThread { thread in
      let fd = Int32(make(Calls.open(name, O_RDWR | O_CREAT | O_TRUNC), thread))
      XCTAssertGreaterThan(fd, 2)
      XCTAssertEqual(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC)
      XCTAssertEqual(make(Calls.write(fd, "hello "), thread), 6)
      XCTAssertEqual(make(Calls.write(fd, "world"), thread), 5)
      XCTAssertEqual(make(Calls.write(fd, ""), thread), 0)
      XCTAssertEqual(make(Calls.pwrite(fd, "W", 6), thread), 1)
      XCTAssertEqual(make(Calls.descriptor(.fsync, fd), thread), 0)
      XCTAssertEqual(makeRead(Calls.pread(fd, 100, 3), thread), Outcome(8, "lo World"))
      XCTAssertEqual(makeRead(Calls.pread(fd, 100, 50), thread), Outcome(0, ""))
      XCTAssertEqual(makeRead(Calls.read(fd, 10), thread), Outcome(0, ""))
      lseek(fd, 0, SEEK_SET)
      XCTAssertEqual(makeRead(Calls.read(fd, 5), thread), Outcome(5, "hello"))
      XCTAssertEqual(makeRead(Calls.read(fd, 0), thread), Outcome(0, ""))
      XCTAssertEqual(makeRead(Calls.read(fd, 100), thread), Outcome(6, " World"))
      XCTAssertEqual(make(Calls.descriptor(.close, fd), thread), 0)
      XCTAssertEqual(make(Calls.descriptor(.close, fd), thread), -Int(EBADF))
      XCTAssertEqual(make(Calls.read(fd, 1), thread), -Int(EBADF))
      XCTAssertEqual(make(Calls.pread(fd, 1, 0), thread), -Int(EBADF))
      XCTAssertEqual(make(Calls.write(-1, "x"), thread), -Int(EBADF))
      XCTAssertEqual(make(Calls.path(.unlink, name), thread), 0)
      XCTAssertEqual(make(Calls.path(.unlink, name), thread), -Int(ENOENT))
      XCTAssertEqual(make(Calls.open(name, O_RDONLY), thread), -Int(ENOENT))
    }
  }

  func testDirectories() {
    let (a, b, c, file) = (path("a"), path("b"), path("c"), path("file"))
    let directory = directory
    eachThread { thread in
      XCTAssertEqual(make(Calls.mkdir(b), thread), 0)
      XCTAssertEqual(make(Calls.mkdir(b), thread), -Int(EEXIST))
      XCTAssertEqual(make(Calls.mkdir(c), thread), 0)
      XCTAssertEqual(make(Calls.rename(c, a), thread), 0)
      close(Int32(make(Calls.open(file, O_WRONLY | O_CREAT), thread)))
      let listing = Calls.path(.readdir, directory)
      waitPlainly(listing, thread)
      XCTAssertEqual(listing.pointee.result, 3)
      XCTAssertEqual(
        String(decoding: listing.stored, as: UTF8.self), "\u{4}a\0\u{4}b\0\u{8}file\0")
      listing.release()
      XCTAssertEqual(make(Calls.path(.rmdir, directory), thread), -Int(ENOTEMPTY))
      XCTAssertEqual(make(Calls.path(.rmdir, file), thread), -Int(ENOTDIR))
      XCTAssertEqual(make(Calls.path(.unlink, file), thread), 0)
      XCTAssertEqual(make(Calls.path(.rmdir, a), thread), 0)
      XCTAssertEqual(make(Calls.path(.rmdir, b), thread), 0)
      XCTAssertEqual(make(Calls.path(.readdir, a), thread), -Int(ENOENT))
    }
  }

  func testStat() {
    let link = path("link")
    symlink(directory, link)
    func kind(_ call: SystemCallRef, _ thread: ThreadRef) -> Int {
      defer { call.release() }
      waitPlainly(call, thread)
      guard call.errno == 0 else { return -Int(call.errno) }
      var stat = lwkt_stat()
      lwkt_stat_decode(call.stored.baseAddress, &stat)
      XCTAssertGreaterThan(stat.mtime, 1)
      return Int(stat.mode >> 12)
    }
    eachThread { thread in
      XCTAssertEqual(kind(Calls.path(.stat, link), thread), 4)
      XCTAssertEqual(kind(Calls.path(.lstat, link), thread), 10)
      let (read, write) = makePipe()
      let byDescriptor = SystemCallRef.make(.stat)
      byDescriptor.setPathDescriptor(0, read)
      XCTAssertEqual(kind(byDescriptor, thread), 1)
      close(read)
      close(write)
      let nowhere = Calls.path(.stat, "/nowhere")
      nowhere.retain()
      XCTAssertEqual(kind(nowhere, thread), -Int(ENOENT))
      XCTAssertEqual(String(cString: nowhere.path!), "/nowhere")
      nowhere.release()
    }
    unlink(link)
  }

  func testPipes() {
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      let order = Log<String>()
      rig.spawnStraight { thread in
        order.add("reads")
        XCTAssertEqual(makeRead(Calls.read(read, 100), thread), Outcome(7, "through"))
        order.add("has read")
        XCTAssertEqual(makeRead(Calls.read(read, 100), thread), Outcome(0, ""))
        close(read)
        return 0
      }
      rig.spawnStraight { thread in
        XCTAssertEqual(make(Calls.nanosleep(5_000_000), thread), 0)
        order.add("writes")
        XCTAssertEqual(make(Calls.write(write, "through"), thread), 7)
        make(Calls.nanosleep(5_000_000), thread)
        XCTAssertEqual(order.all, ["reads", "writes", "has read"])
        close(write)
        return 0
      }
    }
  }

  func testMoreThanAPipeHolds() {
    let total = 1_000_000
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      rig.spawnStraight { thread in
        XCTAssertEqual(make(Calls.write(write, [UInt8](repeating: 7, count: total)), thread), total)
        close(write)
        return 0
      }
      rig.spawnStraight { thread in
        var sum = 0
        while case let got = make(Calls.read(read, 10_000), thread), got > 0 { sum += got }
        XCTAssertEqual(sum, total)
        close(read)
        return 0
      }
    }
  }

  func testPoll() {
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      rig.spawnStraight { thread in
        XCTAssertEqual(make(Calls.poll(write, PollEvents.output), thread), 4)
        XCTAssertEqual(
          make(Calls.poll(read, PollEvents.input, within: 5_000_000), thread), -Int(ETIMEDOUT))
        XCTAssertEqual(make(Calls.poll(-1, PollEvents.input), thread), -Int(EBADF))
        let long = Calls.poll(read, PollEvents.input, within: 100_000_000_000)
        XCTAssertEqual(make(long, thread), 16)
        close(read)
        return 0
      }
      rig.spawnStraight { thread in
        make(Calls.nanosleep(20_000_000), thread)
        close(write)
        return 0
      }
    }
  }

  /// Who polls a terminal is not told of its modes: the kernel wakes it for them, and then calls its poll
  /// invalid.
  func testPollWhileModesAreSet() {
    each(Self.withRing) { rig in
      let master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)
      var (number, locked): (Int32, Int32) = (0, 0)
      // TIOCSPTLCK and TIOCGPTN, which Swift does not see.
      XCTAssertEqual(ioctl(master, 0x4004_5431, &locked), 0)
      XCTAssertEqual(ioctl(master, 0x8004_5430, &number), 0)
      let terminal = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY | O_CLOEXEC)
      var modes = termios()
      XCTAssertEqual(tcgetattr(terminal, &modes), 0)
      cfmakeraw(&modes)
      let raw = modes
      tcsetattr(terminal, TCSANOW, &modes)
      rig.spawnStraight { thread in
        XCTAssertEqual(
          make(Calls.poll(terminal, PollEvents.input, within: 100_000_000), thread), -Int(ETIMEDOUT)
        )
        XCTAssertEqual(make(Calls.poll(terminal, PollEvents.input), thread), 1)
        close(terminal)
        return 0
      }
      rig.spawnStraight { thread in
        var modes = raw
        for _ in 1...30 {
          make(Calls.nanosleep(10_000_000), thread)
          tcsetattr(terminal, TCSANOW, &modes)
        }
        put(master, "x")
        make(Calls.nanosleep(10_000_000), thread)
        return 0
      }
    }
  }

  /// A limit that is past asks for what is there, and gets it although time is up.
  func testPollWithoutWaiting() {
    eachThread(Self.withRing) { thread in
      let (read, write) = makePipe()
      func pollNow() -> Int {
        let call = Calls.poll(read, PollEvents.input)
        call.setDeadline(1)
        return make(call, thread)
      }
      XCTAssertEqual(pollNow(), -Int(ETIMEDOUT))
      put(write, "x")
      XCTAssertEqual(pollNow(), 1)
      close(read)
      close(write)
    }
  }

  func testAtOnce() {
    eachThread { thread in
      XCTAssertEqual(make(SystemCallRef.make(.getpid), thread), Int(getpid()))
      XCTAssertEqual(make(Calls.descriptor(.isatty, -1), thread), -Int(EBADF))
      let clock = SystemCallRef.make(.clock_gettime)
      XCTAssertEqual(thread.submitAndWait(clock), .ready)
      XCTAssertGreaterThan(clock.seconds, 1e9)
      clock.release()
      let pipe = SystemCallRef.make(.pipe)
      XCTAssertEqual(thread.submitAndWait(pipe), .ready)
      XCTAssertEqual(pipe.pointee.result, 0)
      let ends = Array(pipe.stored.bindMemory(to: Int32.self))
      pipe.release()
      put(ends[1], "x")
      XCTAssertEqual(make(Calls.descriptor(.isatty, ends[0]), thread), 0)
      close(ends[0])
      close(ends[1])
    }
  }

  func testNonBlockingDescriptors() {
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      for fd in [read, write] { _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) }
      rig.spawnStraight { thread in
        XCTAssertEqual(makeRead(Calls.read(read, 3), thread), Outcome(3, "abc"))
        let bytes = [UInt8](repeating: 1, count: 200_000)
        XCTAssertEqual(make(Calls.write(write, bytes), thread), 200_000)
        close(write)
        return 0
      }
      rig.spawnStraight { thread in
        make(Calls.nanosleep(5_000_000), thread)
        XCTAssertEqual(make(Calls.write(write, "abc"), thread), 3)
        make(Calls.nanosleep(5_000_000), thread)
        var sum = 0
        while case let got = make(Calls.read(read, 1 << 16), thread), got > 0 { sum += got }
        XCTAssertEqual(sum, 200_000)
        close(read)
        return 0
      }
    }
  }

  /// io_uring alone would lose some of these writes.
  func testTwoWorkersWriteOneFile() {
    let name = path("file")
    let lines = 500
    each(workers: 2) { rig in
      let fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0o644)
      let left = Cell(10)
      for number in 0..<10 {
        rig.spawnStraight(pinned(number % 2)) { thread in
          for _ in 0..<lines { XCTAssertEqual(make(Calls.write(fd, "0123456789"), thread), 10) }
          if left.add(-1) == 0 {
            XCTAssertEqual(lseek(fd, 0, SEEK_END), 10 * 10 * lines)
            close(fd)
          }
          return 0
        }
      }
    }
    unlink(name)
  }

  func testBeyondTwoGigabytes() {
    let name = path("file")
    let far = 5_000_000_000
    eachThread { thread in
      let fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0o644)
      XCTAssertEqual(make(Calls.pwrite(fd, "far", far), thread), 3)
      XCTAssertEqual(makeRead(Calls.pread(fd, 1 << 40, far - 1), thread), Outcome(4, "\0far"))
      lseek(fd, far, SEEK_SET)
      XCTAssertEqual(makeRead(Calls.read(fd, 100), thread), Outcome(3, "far"))
      close(fd)
    }
    unlink(name)
  }

  /// The two ends of a FIFO wait for each other in `open`.
  func testOpeningAFIFO() {
    let name = path("fifo")
    mkfifo(name, 0o600)
    each { rig in
      for (flags, delay) in [(O_RDONLY, UInt64(0)), (O_WRONLY, 10_000_000)] {
        rig.spawnStraight { thread in
          make(Calls.nanosleep(delay), thread)
          let fd = make(Calls.open(name, flags), thread)
          XCTAssertGreaterThan(fd, 2)
          close(Int32(fd))
          return 0
        }
      }
    }
    unlink(name)
  }

  // MARK: messages

  func testMessages() {
    each(Self.withRing) { rig in
      let (read, write) = makePipe()
      rig.spawnStraight { thread in
        let reads = (0..<3).map { _ in send(Calls.read(read, 2), thread) }
        XCTAssertEqual(
          block(thread, reads[0].waitForReply(thread, deadline: later(1_000_000))), .timedOut)
        XCTAssertEqual(answer(send(Calls.write(write, "aabbcc"), thread), thread), Outcome(6, ""))
        XCTAssertEqual(Set(reads.map { answer($0, thread).text! }), ["aa", "bb", "cc"])
        XCTAssertEqual(answer(send(Calls.path(.stat, "/nowhere"), thread), thread).result, -2)
        let big = send(Calls.read(read, 1 << 30), thread)
        put(write, "little")
        XCTAssertEqual(answer(big, thread), Outcome(6, "little"))
        close(read)
        close(write)
        return 0
      }
    }
  }

  func testReplyPorts() {
    each(Self.withRing) { rig in
      let port = rig.port()
      let (read, write) = makePipe()
      rig.spawnStraight { thread in
        send(Calls.read(read, 10), thread, to: port).object.releaseObject()
        for delay: UInt64 in [9, 3, 6] {
          send(Calls.nanosleep(delay * 1_000_000), thread, to: port).object.releaseObject()
        }
        var kinds: [SystemCall.Operation] = []
        for number in 0..<4 {
          if number == 3 { put(write, "data") }
          var message: MessageRef?
          if block(thread, port.receive(thread, deadline: nil, into: &message)) == .ready {
            message = message ?? thread.takeHandedMessage()
          }
          XCTAssert(message!.pointee.flags.contains(.isReply))
          let call = message!.pointee.systemCall!
          XCTAssert(call.isDone)
          kinds.append(call.pointee.operation)
          message!.object.releaseObject()
        }
        XCTAssertEqual(kinds, [.nanosleep, .nanosleep, .nanosleep, .read])
        close(read)
        close(write)
        return 0
      }
    }
  }

  func testOneWay() {
    eachThread(Self.withRing) { thread in
      let (read, write) = makePipe()
      let message = MessageRef.make(sender: thread, payload: Payload(), flags: .oneWay)
      Calls.write(write, "sent").send(as: message)
      message.object.releaseObject()
      XCTAssertEqual(makeRead(Calls.read(read, 10), thread), Outcome(4, "sent"))
      close(read)
      close(write)
    }
  }
}
