// Children: what they get of this process, and nothing else; how they end.
#include "base/process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <thread>

#include "base/child_process.hpp"
#include "unit/test_files.hpp"

namespace perch {
namespace process_test {

using namespace std::chrono_literals;
using namespace perch::test;

/// What a child with `spec` prints, when its number 1 is not given otherwise. Its end must be good.
std::string output_of(ProcessSpec spec) {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  spec.descriptors.push_back({write_end.get(), STDOUT_FILENO});
  auto process = Process::start(spec);
  REQUIRE_MESSAGE(process.has_value(), (process ? "" : process.error().message));
  write_end.reset();
  std::string text;
  char bytes[4096];
  for (ssize_t got; (got = ::read(read_end.get(), bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<std::size_t>(got));
  REQUIRE(process->has_ended(30s));
  CHECK(process->reap().success());
  return text;
}

ProcessSpec shell(const std::string& script) {
  ProcessSpec spec;
  spec.program = "/bin/sh";
  spec.arguments = {"sh", "-c", script};
  return spec;
}

/// The numbers that a child with these descriptors has open.
std::string open_numbers(std::vector<ProcessSpec::Descriptor> descriptors) {
  ProcessSpec spec = shell("for n in $(seq 0 900); do if [ -e /proc/$$/fd/$n ]; then echo $n; fi; done");
  spec.descriptors = std::move(descriptors);
  return output_of(spec);
}

/// A descriptor without close-on-exec, as code of others may open it.
UniqueFd leaked(int number) {
  const UniqueFd file(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  return UniqueFd(::fcntl(file.get(), F_DUPFD, number));
}

TEST_CASE("a child has the descriptors that it was given, and no others") {
  const UniqueFd low = leaked(3);
  const UniqueFd high = leaked(800);
  CHECK(open_numbers({}) == "0\n1\n2\n");
  CHECK(open_numbers({{high.get(), 3}}) == "0\n1\n2\n3\n");
  CHECK(open_numbers({{low.get(), 7}, {high.get(), 5}}) == "0\n1\n2\n5\n7\n");
}

TEST_CASE("descriptors may take each other's numbers in the child") {
  const TemporaryFolder folder;
  write_file(folder / "a", "a");
  write_file(folder / "b", "b");
  const UniqueFd a(::open((folder / "a").c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd b(::open((folder / "b").c_str(), O_RDONLY | O_CLOEXEC));
  REQUIRE(std::max(a.get(), b.get()) < 10);  // a shell knows numbers of one digit
  ProcessSpec spec = shell("cat <&" + std::to_string(a.get()) + " && cat <&" + std::to_string(b.get()));
  spec.descriptors = {{a.get(), b.get()}, {b.get(), a.get()}};
  CHECK(output_of(spec) == "ba");
}

TEST_CASE("standard descriptors that are not given, or not there, are /dev/null") {
  ProcessSpec spec = shell("readlink /proc/$$/fd/0 /proc/$$/fd/2");
  CHECK(output_of(spec) == "/dev/null\n/dev/null\n");

  const TemporaryFolder folder;
  const UniqueFd file(::open((folder / "output").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const UniqueFd input(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
  spec.descriptors = {{STDIN_FILENO, STDIN_FILENO}, {file.get(), STDOUT_FILENO}};
  ::close(STDIN_FILENO);
  auto process = Process::start(spec);
  if (input) ::dup2(input.get(), STDIN_FILENO);
  REQUIRE(process);
  CHECK(process->has_ended(30s));
  CHECK(read_file(folder / "output") == "/dev/null\n/dev/null\n");
}

TEST_CASE("a descriptor that this process does not have is an error") {
  ProcessSpec spec = shell("exit 0");
  spec.descriptors = {{900, 3}};
  const auto process = Process::start(spec);
  REQUIRE_FALSE(process);
  CHECK(process.error().message == "start /bin/sh: descriptor 900: Bad file descriptor");
}

TEST_CASE("a child blocks no signal and ignores none, whatever this process does") {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto usr2 = ::signal(SIGUSR2, SIG_IGN);
  ProcessSpec spec;
  spec.program = "grep";
  spec.arguments = {"grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"};
  const std::string output = output_of(spec);
  ::signal(SIGUSR2, usr2);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(output == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("a child's environment is this process's, or the one that it is given") {
  ::setenv("PERCH_PROCESS_TEST", "inherited", 1);
  ProcessSpec spec;
  spec.program = "/usr/bin/env";
  spec.arguments = {"env"};
  CHECK(has(output_of(spec), "PERCH_PROCESS_TEST=inherited\n"));
  spec.environment = {"ONE=1", "TWO=2"};
  CHECK(output_of(spec) == "ONE=1\nTWO=2\n");
  ::unsetenv("PERCH_PROCESS_TEST");
}

TEST_CASE("a program that cannot be run is an error, and leaves no child") {
  const TemporaryFolder folder;
  write_file(folder / "no_program", "");
  ProcessSpec spec;
  spec.program = (folder / "no_program").string();
  spec.arguments = {"x"};
  const auto forbidden = Process::start(spec);
  REQUIRE_FALSE(forbidden);
  CHECK(forbidden.error().message == "start " + spec.program + ": Permission denied");
  spec.program = "/nothing/here";
  const auto missing = Process::start(spec);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message == "start /nothing/here: No such file or directory");
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("a child's end is told, and takes what it has started along") {
  auto exits = Process::start(shell("exit 3"));
  REQUIRE(exits);
  CHECK(exits->has_ended(30s));
  CHECK(to_string(exits->reap()) == "exited with status 3");
  exits->signal(SIGKILL);  // it goes to nobody

  const TemporaryFolder folder;
  auto parent =
      Process::start(shell("sleep 1000 & echo $! > " + (folder / "pid").string() + "; kill -KILL $$"));
  REQUIRE(parent);
  CHECK(parent->has_ended(30s));
  CHECK(to_string(parent->reap()) == "was killed by signal 9 (Killed)");
  const pid_t grandchild = std::stoi(read_file(folder / "pid"));
  CHECK(eventually([&] {
    std::istringstream status(read_file("/proc/" + std::to_string(grandchild) + "/stat"));
    std::string pid, name, state;
    status >> pid >> name >> state;
    return state.empty() || state == "Z";
  }));
}

TEST_CASE("a child that nobody has reaped is killed and reaped") {
  pid_t pid = 0;
  {
    auto process = Process::start(shell("sleep 1000"));
    REQUIRE(process);
    pid = process->pid();
    CHECK_FALSE(process->has_ended());
    const Process moved(std::move(*process));
    CHECK(moved.pid() == pid);
  }
  CHECK(::waitpid(pid, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("a child may end with the thread that started it") {
  for (const bool ends_with_thread : {true, false}) {
    CAPTURE(ends_with_thread);
    std::optional<Result<Process>> process;
    std::thread([&] {
      ProcessSpec spec = shell("sleep 1000");
      spec.ends_with_thread = ends_with_thread;
      process.emplace(Process::start(spec));
    }).join();
    REQUIRE(*process);
    CHECK((*process)->has_ended(ends_with_thread ? 30s : 50ms) == ends_with_thread);
  }
}

TEST_CASE("a command's output and errors can be read") {
  auto child = ChildProcess::spawn({"/bin/sh", "-c", "echo out; echo err >&2; read line; exit 4"});
  REQUIRE(child);
  std::string output, errors;
  const auto read_to = [](int fd, std::string& text) {
    char bytes[64];
    const ssize_t got = ::read(fd, bytes, sizeof bytes);
    if (got > 0) text.append(bytes, static_cast<std::size_t>(got));
  };
  CHECK(eventually([&] {
    read_to(child->output(), output);
    read_to(child->errors(), errors);
    return output == "out\n" && errors == "err\n";
  }));
  pollfd ended{child->pidfd(), POLLIN, 0};
  REQUIRE(::poll(&ended, 1, 30'000) == 1);  // its input is at its end
  CHECK(child->end(0ms).code == 4);
}

}  // namespace process_test
}  // namespace perch
