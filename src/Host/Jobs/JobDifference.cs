using Marrow.Formats;

namespace Marrow.Host.Jobs;

/// <summary>What two jobs have different.</summary>
public static class JobDifference
{
    /// <summary>
    /// Each differing key as "adapter.r: 16, now 8"; with <paramref name="resuming"/>, without the keys that a resumed run
    /// may change.
    /// </summary>
    public static IEnumerable<string> List(JobSpec before, JobSpec now, bool resuming)
    {
        foreach (JobSection section in JobKeys.Sections)
            foreach (JobKey key in section.Keys)
            {
                string old = ResolvedJob.Value(key.Property.GetValue(section.Property.GetValue(before)), key);
                string current = ResolvedJob.Value(key.Property.GetValue(section.Property.GetValue(now)), key);
                if (old != current && !(resuming && key.Key.MayChangeOnResume))
                    yield return $"{key.Path}: {Echo.Name(old)}, now {Echo.Name(current)}";
            }
    }
}
