using Marrow.Formats;
using Marrow.Host.Jobs.Yaml;

namespace Marrow.Host.Jobs;

/// <summary>Collects what is wrong with a job, so that the user mends it in one go.</summary>
internal sealed class JobProblems
{
    private const int MaxListed = 50;
    private readonly List<(Place Place, JobProblem Problem)> found = [];

    public void Add(string code, Place place, string? key, string message) =>
        found.Add((place, new JobProblem(code, place.ToString(), key is null ? null : Echo.Name(key), message)));

    /// <exception cref="JobException">Something was added.</exception>
    public void ThrowIfAny()
    {
        if (found.Count > 0)
            throw new JobException([.. found.OrderBy(f => f.Place.Line).ThenBy(f => f.Place.Column).Select(f => f.Problem).Take(MaxListed)]);
    }
}
