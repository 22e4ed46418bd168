#include "control/role.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace perch::control {
namespace {

/// All groups of the peer; none when the kernel does not say.
std::vector<gid_t> groups_of_peer(int fd, const ucred& credentials) {
  constexpr std::size_t groups_max = 65536;  // the kernel's own bound
  std::vector<gid_t> groups(64);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const bool is_known = ::getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0;
    const std::size_t count = size / sizeof(gid_t);
    if (!is_known && count > groups.size() && count <= groups_max) {
      groups.resize(count);
      continue;
    }
    groups.resize(is_known ? count : 0);
    groups.push_back(credentials.gid);
    return groups;
  }
}

}  // namespace

const char* to_string(Role role) noexcept {
  switch (role) {
    case Role::nobody:
      return "nobody";
    case Role::viewer:
      return "viewer";
    case Role::group_member:
      return "operator";
    case Role::owner:
      return "owner";
  }
  return "";
}

Role RolePolicy::role_of_peer(int fd) const {
  const Role other = others_may_look ? Role::viewer : Role::nobody;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return other;
  if (credentials.uid == ::geteuid() || credentials.uid == 0) return Role::owner;
  if (groups.empty()) return other;
  const std::vector<gid_t> of_peer = groups_of_peer(fd, credentials);
  const bool is_member = std::any_of(groups.begin(), groups.end(), [&](const Group& group) {
    return std::find(of_peer.begin(), of_peer.end(), group.id) != of_peer.end();
  });
  return is_member ? Role::group_member : other;
}

std::string RolePolicy::who_may_change() const {
  if (groups.empty()) return "only the user that runs it, or root,";
  std::string names;
  for (const Group& group : groups) names += (names.empty() ? "" : ", ") + group.name;
  return "only the user that runs it, root, or a member of " + names;
}

}  // namespace perch::control
