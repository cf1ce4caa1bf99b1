// WorkSharing.swift: a worker with nothing to run asks another for threads.
//
// The asker picks a worker that has threads waiting to run and sends `wantWork`; the asked one gives
// half of them, in one package, or answers that it has none to give. Threads that have not started
// move alone, those that wait longest first; started ones move with their domain. Nobody takes
// anything: what belongs to a worker leaves it only by its own hand.

import CLWKT
import Synchronization

/// Threads on their way to another worker.
struct WorkPackage {
  /// Threads without a domain, the first to run first.
  var strays = LinkedList<Thread.ByRun>()
  var domains = LinkedList<Domain.ByWorker>()
  var threadCount = 0
}

/// Most runnable threads in one answer, so that no worker is held up long by giving: half a millisecond.
private let mostGiven = 4096

/// Nanoseconds that a gift has to last for to be worth more than the question.
private let shortGift: UInt64 = 5_000

/// In a `wantWork`, besides the asker's number: what he was given last did not last.
private let wasShort: UInt = 1 << 16

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// Own worker, idle: ask the next worker that has threads waiting, unless an answer is due or was
  /// refused a short time ago.
  func askForWork() {
    let host = pointee.host
    let count = host.pointee.startedWorkers.load(ordering: .acquiring)
    judgeGift()
    guard pointee.askedCPU < 0, count > 1,
      host.pointee.phase.load(ordering: .relaxed) == HostPhase.running,
      pointee.refusals == 0 || readClock() >= pointee.nextAsk
    else { return }
    if let steering {
      let others = count - 1
      pointee.askNext = pointee.cpu + 1 + checked(steering.ask(pointee.cpu, others), others)
    }
    for step in 0..<count {
      let candidate = (pointee.askNext + step) % count
      if candidate == pointee.cpu { continue }
      if host.shared(candidate).pointee.load.load(ordering: .relaxed) > 0 {
        pointee.askNext = candidate
        pointee.askedCPU = candidate
        self.count(.workRequests)
        let value = UInt(pointee.cpu) | (pointee.refusals > 0 ? wasShort : 0)
        return sendIPI(IPI(.wantWork, nil, value), to: candidate)
      }
    }
  }

  /// The worker has nothing to run: is that what it was last given, which was over at once? Then it does
  /// not ask for more of that kind at once.
  private func judgeGift() {
    guard pointee.giftSince != 0 else { return }
    let lasted = pointee.coarseNow &- pointee.giftSince
    pointee.giftSince = 0
    if lasted < shortGift { askLater() } else { pointee.refusals = 0 }
  }

  /// A question was of no use: the next one has to wait, each time longer.
  private func askLater() {
    pointee.refusals = min(pointee.refusals + 1, 6)
    pointee.nextAsk = pointee.coarseNow &+ (GlobalData.shortestPause << UInt64(pointee.refusals))
  }

  /// The one who was asked has not answered for as long as this worker looked out for it: he computes, and
  /// is interrupted for it now, not at the monitor's next look. One that no core is left for is not.
  @inline(never)
  func pressAsked() {
    guard pointee.askedCPU >= 0, steering == nil else { return }
    pointee.host.preemptWorker(pointee.askedCPU)
  }

  /// There are threads waiting here: if somebody sleeps, tell him. Own worker, in the loop; looked at
  /// now and then, so that threads that only take turns by the microsecond stay together.
  func hintIdleWorkers() {
    let host = pointee.host
    guard host.pointee.workerCount > 1, pointee.coarseNow >= pointee.nextHint else { return }
    pointee.nextHint = pointee.coarseNow + pointee.hintPause
    notePace()
    let worthwhile = workersWorthwhile
    let started = host.pointee.startedWorkers.load(ordering: .relaxed)
    if started < worthwhile { return startWorkers(from: started, to: worthwhile) }
    guard host.pointee.active.load(ordering: .relaxed) < min(started, worthwhile) else { return }
    for step in 1..<started {
      let other = (pointee.cpu + step) % started
      if host.shared(other).pointee.sleepState.load(ordering: .relaxed)
        != CPUShared.SleepState.awake
      {
        return host.prod(other)
      }
    }
  }

  /// Start workers, each with a part of what is here: they find it when they begin, and nobody has to be
  /// interrupted for their first question.
  @inline(never)
  private func startWorkers(from first: Int, to end: Int) {
    let host = pointee.host
    host.startWorkers(through: end - 1)
    for cpu in first..<min(end, host.pointee.startedWorkers.load(ordering: .acquiring))
    where pointee.runQueue.strays > 1 {
      giveWork(to: UInt(cpu))
    }
  }

  /// The asked one's half, on the owner: half of what is runnable here, threads that have not started
  /// first, then whole domains with no more runnable threads than are wanted still. If one of its
  /// threads runs (`takeBack`), that one's domain stays. After a refusal hints are made less often.
  /// - Complexity: O(domains), and O(threads) of what is given.
  func giveWork(to asker: UInt) {
    let cpu = Int(asker & ~wasShort)
    let waiting = pointee.runQueue.count
    let current = lwktCurrentThread()
    // Half of what is runnable here, rounded up if one of ours runs besides.
    var wanted = min(current == nil ? waiting / 2 : (waiting + 1) / 2, mostGiven)
    if let steering {
      wanted = checked(steering.give(pointee.cpu, wanted), wanted + 1)
    }
    let package = UnsafeMutablePointer<WorkPackage>.allocate(capacity: 1)
    package.initialize(to: WorkPackage())
    if wanted > 0, !pointee.isDraining, pointee.onlyThread == nil, isWorthSharing {
      if pointee.runQueue.strays > 0 { packStrays(&wanted, into: package) }
      // A thread that runs without a domain may be settling in any of them.
      if current == nil || current?.domain != nil {
        packDomains(&wanted, besides: current?.domain, into: package)
      }
    }
    guard package.pointee.threadCount > 0 else {
      package.deallocate()
      hintLessOften()
      return sendIPI(IPI(.giveWork, nil, UInt(pointee.cpu)), to: cpu)
    }
    if asker & wasShort == 0 {
      pointee.hintPause = GlobalData.shortestPause
    } else {
      hintLessOften()
    }
    publishLoad()
    count(.threadsGiven, UInt64(package.pointee.threadCount))
    release(package, to: cpu)
    sendIPI(IPI(.giveWork, UnsafeMutableRawPointer(package), UInt(pointee.cpu)), to: cpu)
  }

  private func hintLessOften() {
    pointee.hintPause = min(2 * pointee.hintPause, GlobalData.longestPause)
  }

  /// Threads that have not started, the oldest first: what they create in their turn stays with them.
  private func packStrays(_ wanted: inout Int, into package: UnsafeMutablePointer<WorkPackage>) {
    while wanted > 0, let thread = pointee.runQueue.strayThreads.first {
      packStray(thread, into: package)
      wanted -= 1
    }
  }

  /// Domains with runnable threads, as long as the whole is not more than wanted. One that is more,
  /// when it is all there is to give, stays: it would only change places. So does one with a crowd that
  /// waits besides, unless turns are long: its threads and timers would all have to be moved for the few
  /// that run, which takes as long as some turns of each.
  private func packDomains(
    _ wanted: inout Int, besides stays: DomainRef?, into package: UnsafeMutablePointer<WorkPackage>
  ) {
    for candidate in pointee.domains where wanted > 0 {
      let runnable = candidate.pointee.runnable
      guard candidate != stays, candidate.pointee.anchored == 0, runnable > 0, runnable <= wanted,
        candidate.pointee.threadCount <= 32 * runnable || hasLongTurns
      else { continue }
      wanted -= runnable
      pack(candidate, into: package)
    }
  }

  private func packStray(_ thread: ThreadRef, into package: UnsafeMutablePointer<WorkPackage>) {
    pointee.runQueue.remove(thread)
    unlink(thread)
    thread.pointee.registry = .inTransit
    package.pointee.strays.append(thread)
    package.pointee.threadCount += 1
  }

  /// Take a domain and all its threads out of this worker: run queue, timers, lists.
  func pack(_ domain: DomainRef, into package: UnsafeMutablePointer<WorkPackage>) {
    unlink(domain)
    domain.pointee.isAdopted = false
    domain.forEachThread { thread in
      if thread.pointee.flags.contains(.onRunQueue) {
        self.pointee.runQueue.remove(thread)
        thread.pointee.flags.insert(.wokenInTransit)
      }
      // A `nostart` thread is in the domain, but in nobody's list yet.
      if thread.pointee.registry == .linked {
        self.unlink(thread)
        thread.pointee.registry = .inTransit
      }
      thread.forEachTimer { timer in
        if timer.pointee.isArmed {
          self.pointee.timers.remove(timer)
          timer.pointee.index = Timer.inTransit
        }
      }
      package.pointee.threadCount += 1
    }
    package.pointee.domains.prepend(domain)
  }

  /// The package is complete: from here on its threads are the other worker's. The release stores
  /// order everything above before whatever that worker, or one that chases a thread, does next.
  func release(_ package: UnsafeMutablePointer<WorkPackage>, to cpu: Int) {
    pointee.shared.pointee.nextDeadline.store(
      pointee.timers.earliest ?? .max, ordering: .relaxed)
    for domain in package.pointee.domains {
      domain.forEachThread { $0.pointee.cpuAtomic.store(UInt32(cpu), ordering: .releasing) }
    }
    for thread in package.pointee.strays {
      thread.pointee.cpuAtomic.store(UInt32(cpu), ordering: .releasing)
    }
  }

  /// The answer: adopt what has come. On the asker (or, for `setcpu_self`, on the destination).
  func takeWork(_ package: UnsafeMutablePointer<WorkPackage>?, from cpu: Int) {
    if pointee.askedCPU == cpu {
      pointee.askedCPU = -1
      readClock()
      if package != nil {
        forgetWakings()
        pointee.giftSince = pointee.coarseNow
      }
    }
    guard let package else {
      pointee.askNext = cpu + 1
      return askLater()
    }
    count(.threadsTaken, UInt64(package.pointee.threadCount))
    for thread in package.pointee.strays {
      link(thread)
      pointee.runQueue.append(thread)
      if pointee.isDraining { thread.abortForDrain() }
    }
    for domain in package.pointee.domains { adopt(domain) }
    package.deallocate()
    publishLoad()
  }

  private func adopt(_ domain: DomainRef) {
    link(domain)
    domain.pointee.isAdopted = true
    domain.forEachThread { thread in
      let isMine = thread.pointee.registry == .inTransit
      if isMine { self.link(thread) }
      thread.forEachTimer { timer in
        if timer.pointee.index == Timer.inTransit {
          timer.pointee.index = -1
          self.armTimer(timer)
        }
      }
      if thread.pointee.flags.contains(.wokenInTransit) {
        thread.pointee.flags.remove(.wokenInTransit)
        self.pointee.runQueue.append(thread)
      }
      // Its last owner gave it away before it had told its threads that the program ends.
      if isMine, pointee.isDraining { thread.abortForDrain() }
    }
  }
}

// MARK: Moving by request

extension UnsafeMutablePointer where Pointee == Thread {
  /// Its wait timer and those of its timeout scopes. Owner.
  func forEachTimer(_ body: (TimerRef) -> Void) {
    body(ownTimer)
    var scope = pointee.scopes
    while let current = scope {
      scope = current.pointee.outer
      body(addressOf(&current.pointee.timer))
    }
  }

  /// Move this thread, which runs, to worker `cpu`, its domain-mates along. It must switch away as
  /// waiting afterwards. False if one of them is held here: pinned, or with a parked native stack.
  public func moveSelf(to cpu: Int) -> Bool {
    let gd = mycpu
    guard let domain, cpu != gd.pointee.cpu else { return true }
    if gd.pointee.onlyThread != nil { return false }
    var pinnedHere = domain.pointee.anchored
    if pointee.flags.contains(.pinned) { pinnedHere -= 1 }
    guard pinnedHere == 0 else { return false }
    gd.pointee.host.startWorkers(through: cpu)
    guard cpu < gd.pointee.host.pointee.startedWorkers.load(ordering: .acquiring) else {
      return false
    }
    gd.pointee.departing = Departure(domain: domain, thread: self, cpu: cpu)
    return true
  }
}

/// A domain that leaves as soon as its running thread has switched away.
struct Departure {
  var domain: DomainRef
  var thread: ThreadRef
  var cpu: Int
}

extension UnsafeMutablePointer where Pointee == GlobalData {
  /// `thread` has switched away: if it asked to move, send its domain off. In the loop. Where it was
  /// parked with its native stack after all, it stays.
  @inline(never)
  func departIfAsked(_ thread: ThreadRef) {
    guard let departure = pointee.departing, departure.thread == thread else { return }
    pointee.departing = nil
    closeAccount()
    if thread.pointee.parkedStack != nil { return scheduleLocally(thread) }
    depart(departure)
  }

  /// Send a domain off; its thread `thread`, which is on no queue, is runnable when it arrives.
  func depart(_ departure: Departure) {
    departure.thread.pointee.flags.insert(.wokenInTransit)
    let package = UnsafeMutablePointer<WorkPackage>.allocate(capacity: 1)
    package.initialize(to: WorkPackage())
    pack(departure.domain, into: package)
    publishLoad()
    release(package, to: departure.cpu)
    sendIPI(
      IPI(.giveWork, UnsafeMutableRawPointer(package), UInt(pointee.cpu)), to: departure.cpu)
  }
}
