// Role: what a peer of the control socket may do, by who the kernel says it is (SO_PEERCRED, SO_PEERGROUPS).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace perch::control {

enum class Role {
  nobody,        ///< not even look
  viewer,        ///< look
  group_member,  ///< look and change: of one of the groups that the config names
  owner,         ///< look and change: the host's own user, and root
};
const char* to_string(Role role) noexcept;
inline bool may_change(Role role) noexcept { return role == Role::owner || role == Role::group_member; }

struct RolePolicy {
  struct Group {
    std::string name;
    gid_t id;
  };
  std::vector<Group> groups;  ///< whose members may change
  bool others_may_look = true;

  /// The role of who connected the socket `fd`, as of when it connected.
  Role role_of_peer(int fd) const;
  /// "only the user that runs it, root, and members of operators": who may change, for a refusal.
  std::string who_may_change() const;
};

}  // namespace perch::control
