-- Deletes what a job consists of, but for its place in a list or set.
local function delete_job(at, id)
  local key = at .. id
  call('DEL', key, key .. ':lock', key .. ':logs', key .. ':dependencies', key .. ':processed',
    key .. ':failed', key .. ':unsuccessful')
end
