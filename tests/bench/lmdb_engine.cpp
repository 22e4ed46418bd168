// lmdb: LMDB without syncing, written through its map, on tmpfs; read transactions are reset and renewed.
// Gets are mdb_get: a cursor with MDB_SET takes as many instructions (1263 to 1266 each at 100 000 rows).
#include <lmdb.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "engine.hpp"

namespace perch::bench {

namespace {

void expect(int result, const char* what) {
  if (result == MDB_SUCCESS) return;
  std::fprintf(stderr, "lmdb: %s: %s\n", what, mdb_strerror(result));
  std::exit(1);
}

MDB_val bytes_of(const std::uint64_t& key) { return {sizeof key, const_cast<std::uint64_t*>(&key)}; }

template <std::size_t words>
std::uint64_t digest_of(const MDB_val& data) {
  Value<words> value;  // LMDB aligns data to two bytes only
  std::memcpy(&value, data.mv_data, sizeof value);
  return digest(value);
}

template <std::size_t words>
class LmdbReader : public Reader {
 public:
  LmdbReader(MDB_env* env, MDB_dbi table) : env_(env), table_(table) {
    expect(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn_), "begin reading");
    expect(mdb_cursor_open(txn_, table, &cursor_), "open a cursor");
    mdb_txn_reset(txn_);
  }
  ~LmdbReader() override {
    mdb_cursor_close(cursor_);
    mdb_txn_abort(txn_);
    if (stalled_) mdb_txn_abort(stalled_);
  }

  std::uint64_t get(std::span<const std::uint64_t> keys) override {
    expect(mdb_txn_renew(txn_), "renew");
    std::uint64_t sum = 0;
    for (const std::uint64_t& word : keys) {
      MDB_val key = bytes_of(word);
      MDB_val data;
      if (mdb_get(txn_, table_, &key, &data) == MDB_SUCCESS) sum += digest_of<words>(data);
    }
    mdb_txn_reset(txn_);
    return sum;
  }

  std::uint64_t scan() override {
    expect(mdb_txn_renew(txn_), "renew");
    expect(mdb_cursor_renew(txn_, cursor_), "renew the cursor");
    std::uint64_t sum = 0;
    MDB_val key;
    MDB_val data;
    for (int found = mdb_cursor_get(cursor_, &key, &data, MDB_FIRST); found == MDB_SUCCESS;
         found = mdb_cursor_get(cursor_, &key, &data, MDB_NEXT)) {
      std::uint64_t word;
      std::memcpy(&word, key.mv_data, sizeof word);
      sum += word + digest_of<words>(data);
    }
    mdb_txn_reset(txn_);
    return sum;
  }

  std::uint64_t snapshots(std::uint64_t times) override {
    std::uint64_t with_rows = 0;
    for (std::uint64_t i = 0; i < times; ++i) {
      expect(mdb_txn_renew(txn_), "renew");
      with_rows += mdb_txn_id(txn_) != 0;
      mdb_txn_reset(txn_);
    }
    return with_rows;
  }

  void stall() override { expect(mdb_txn_begin(env_, nullptr, MDB_RDONLY, &stalled_), "stall"); }

 private:
  MDB_env* env_;
  MDB_dbi table_;
  MDB_txn* txn_ = nullptr;
  MDB_cursor* cursor_ = nullptr;
  MDB_txn* stalled_ = nullptr;
};

template <std::size_t words>
class LmdbEngine : public Engine {
 public:
  LmdbEngine() {
    static int number = 0;
    path_ = "/dev/shm/perch_bench." + std::to_string(getpid()) + "." + std::to_string(++number);
    expect(mdb_env_create(&env_), "create");
    expect(mdb_env_set_mapsize(env_, memory_limit_bytes), "set the map's size");
    // NOTLS: readers are objects, not threads, as perch's are.
    expect(mdb_env_open(env_, path_.c_str(),
                        MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOMETASYNC | MDB_WRITEMAP | MDB_NOTLS | MDB_NOMEMINIT,
                        0600),
           path_.c_str());
    // It stays mapped; so nothing is left behind, however the program ends.
    unlink(path_.c_str());
    unlink((path_ + "-lock").c_str());
    MDB_txn* txn = nullptr;
    expect(mdb_txn_begin(env_, nullptr, 0, &txn), "begin");
    expect(mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &table_), "open the table");
    expect(mdb_txn_commit(txn), "commit");
  }
  ~LmdbEngine() override { mdb_env_close(env_); }

  std::unique_ptr<Reader> make_reader() override { return std::make_unique<LmdbReader<words>>(env_, table_); }

  bool upsert(std::span<const std::uint64_t> keys, std::uint64_t round) override {
    MDB_txn* txn = nullptr;
    expect(mdb_txn_begin(env_, nullptr, 0, &txn), "begin");
    for (const std::uint64_t key : keys) {
      if (!put(txn, key, round, MDB_RESERVE)) {
        mdb_txn_abort(txn);
        return false;
      }
    }
    return commit(txn);
  }

  bool append_and_evict(std::uint64_t first_new, std::uint64_t, std::uint64_t count) override {
    MDB_txn* txn = nullptr;
    expect(mdb_txn_begin(env_, nullptr, 0, &txn), "begin");
    for (std::uint64_t i = 0; i < count; ++i) {
      if (!put(txn, first_new + i, 0, MDB_RESERVE | MDB_APPEND)) {
        mdb_txn_abort(txn);
        return false;
      }
    }
    MDB_cursor* cursor = nullptr;
    expect(mdb_cursor_open(txn, table_, &cursor), "open a cursor");
    MDB_val key;
    MDB_val data;
    expect(mdb_cursor_get(cursor, &key, &data, MDB_FIRST), "find the oldest");
    for (std::uint64_t i = 0; i < count; ++i) {  // a delete leaves the cursor at the next row
      expect(mdb_cursor_get(cursor, &key, &data, MDB_GET_CURRENT), "find the next oldest");
      expect(mdb_cursor_del(cursor, 0), "evict");
    }
    mdb_cursor_close(cursor);
    return commit(txn);
  }

  Memory memory() const override {
    MDB_envinfo info;
    MDB_stat stat;
    expect(mdb_env_info(env_, &info), "info");
    expect(mdb_env_stat(env_, &stat), "stat");
    const std::uint64_t bytes = (info.me_last_pgno + 1) * stat.ms_psize;
    return {bytes, bytes};
  }

 private:
  bool put(MDB_txn* txn, std::uint64_t word, std::uint64_t round, unsigned flags) {
    MDB_val key = bytes_of(word);
    MDB_val data{sizeof(Value<words>), nullptr};
    const int result = mdb_put(txn, table_, &key, &data, flags);
    if (result == MDB_MAP_FULL) return false;
    expect(result, "put");
    const Value<words> value = make_value<words>(word, round);
    std::memcpy(data.mv_data, &value, sizeof value);
    return true;
  }

  static bool commit(MDB_txn* txn) {
    const int result = mdb_txn_commit(txn);
    if (result == MDB_MAP_FULL) return false;
    expect(result, "commit");
    return true;
  }

  std::string path_;
  MDB_env* env_ = nullptr;
  MDB_dbi table_ = 0;
};

}  // namespace

std::unique_ptr<Engine> make_lmdb_engine(ValueSize size);
std::unique_ptr<Engine> make_lmdb_engine(ValueSize size) { return make_for<LmdbEngine>(size); }

}  // namespace perch::bench
