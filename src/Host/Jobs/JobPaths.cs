using Marrow.Formats;
using Marrow.Formats.Datasets;
using Marrow.Host.Jobs.Yaml;

namespace Marrow.Host.Jobs;

/// <summary>Looks for the files that a job names. Relative paths start at the current directory.</summary>
public static class JobPaths
{
    /// <summary>Checks that the model, the data and the adapter to go on from are there.</summary>
    /// <exception cref="JobException">JB012 for each that is not, with the absolute path tried.</exception>
    public static void Check(JobFile job)
    {
        var problems = new JobProblems();
        void Look(string key, string? path, bool folderToo)
        {
            if (path is null)
                return;
            string full = Path.GetFullPath(path);
            if (!File.Exists(full) && !(folderToo && Directory.Exists(full)))
                problems.Add("JB012", new Place(Echo.Name(job.Path, 300), 0, 0), key,
                    Directory.Exists(full) ? $"is a folder, but must be a file: {Echo.Name(full, 300)}"
                    : $"no such {(folderToo ? "file or folder" : "file")}: {Echo.Name(full, 300)} (relative paths start at the current directory)");
        }

        Look("model.path", job.Spec.Model.Path, true);
        Look("adapter.init_from", job.Spec.Adapter.InitFrom, true);
        DatasetFormat format = DatasetOptions.ParseFormat(job.Spec.Data.Format);
        foreach ((string key, string? path) in new[] { ("data.train", job.Spec.Data.Train), ("data.eval", job.Spec.Data.Eval) })
            foreach (string file in path is null ? [] : DatasetFiles.Of(path, format))
                Look(key, file, false);
        problems.ThrowIfAny();
    }
}
